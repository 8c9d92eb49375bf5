"""Makes the secrets that are missing: one folder per owner, one file per secret, readable by its owner only.

Used by the native start and by compose's one-shot container. A variable of the secret's name that is set and not
empty wins over what is there; otherwise what is there stays, and what is not there is drawn at random.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

#: Each secret and who gets a copy of it. All are 64 hexadecimal digits, which is what AUTH_SIGNING_SEED has to be.
OWNERS: dict[str, tuple[str, ...]] = {
    "ALERTS_DATABASE_PASSWORD": ("mariadb", "alerts"),
    "ALERTS_MIGRATION_DATABASE_PASSWORD": ("mariadb", "alerts-migrate"),
    "AMQP_PASSWORD": ("rabbitmq", "alerts", "auth", "detector", "gateway", "generator", "query", "writer"),
    "AUTH_DATABASE_PASSWORD": ("mariadb", "auth"),
    "AUTH_MIGRATION_DATABASE_PASSWORD": ("mariadb", "auth-migrate"),
    "AUTH_SIGNING_SEED": ("auth",),
    "MARIADB_ROOT_PASSWORD": ("mariadb",),
    "QUERY_DATABASE_PASSWORD": ("mariadb", "query"),
    "WRITER_DATABASE_PASSWORD": ("mariadb", "writer"),
    "WRITER_MIGRATION_DATABASE_PASSWORD": ("mariadb", "writer-migrate"),
}


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(value)


def create_missing(folder: Path) -> None:
    """Complete the secrets under `folder`."""
    for name, owners in OWNERS.items():
        paths = [folder / owner / name for owner in owners]
        existing = next((path.read_text() for path in paths if path.exists()), None)
        value = os.environ.get(name) or existing or secrets.token_hex(32)
        for path in paths:
            if not path.exists() or path.read_text() != value:
                _write(path, value)


if __name__ == "__main__":
    create_missing(Path(sys.argv[1]))
