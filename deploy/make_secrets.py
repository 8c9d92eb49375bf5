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

#: There only while somebody chooses them.
OPTIONAL: dict[str, tuple[str, ...]] = {"AUTH_OTHER_SIGNING_SEEDS": ("auth",)}

#: What a server takes at its first start and never again.
LASTING = ("AMQP_PASSWORD", "MARIADB_ROOT_PASSWORD")


def _write(path: Path, value: str) -> None:
    if path.exists() and path.read_text() == value:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(value)


def _existing(folder: Path, name: str) -> str | None:
    paths = [folder / owner / name for owner in OWNERS[name]]
    return next((path.read_text() for path in paths if path.exists()), None)


def _refuse_to_change(folder: Path) -> None:
    for name in LASTING:
        chosen, existing = os.environ.get(name), _existing(folder, name)
        if chosen and existing and chosen != existing:
            sys.exit(f"{name} cannot be changed any more: its server took the present one at its first start")


def complete(folder: Path) -> None:
    """Complete the secrets under `folder`; exit before anything is written where one cannot be changed."""
    _refuse_to_change(folder)
    for name, owners in OWNERS.items():
        value = os.environ.get(name) or _existing(folder, name) or secrets.token_hex(32)
        for owner in owners:
            _write(folder / owner / name, value)
    for name, owners in OPTIONAL.items():
        for owner in owners:
            if chosen := os.environ.get(name):
                _write(folder / owner / name, chosen)
            else:
                (folder / owner / name).unlink(missing_ok=True)


if __name__ == "__main__":
    complete(Path(sys.argv[1]))
