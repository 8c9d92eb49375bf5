"""What `make backup` and `make restore` do, step by step; how a stack is stopped and migrated is given."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import backup
from engines import Database
from layout import ROOT, StackError
from processes import MIGRATIONS, SERVICES


@dataclass(frozen=True)
class Steps:
    """What a restore needs of the stack that it works on."""

    start_servers: Callable[[], None]
    stop_services: Callable[[], None]
    migrate: Callable[[], None]
    """Make the accounts and bring every database to the newest schema."""


def docker_steps() -> Steps:
    """Those of the stack that docker-compose.yml describes."""

    def compose(*arguments: str) -> None:
        if subprocess.run(["docker", "compose", *arguments], cwd=ROOT, check=False).returncode:
            raise StackError(f"docker compose {' '.join(arguments)} failed")

    def migrate() -> None:
        for name in ("accounts", *(process.name for process in MIGRATIONS)):
            compose("run", "--rm", name)

    return Steps(
        start_servers=lambda: compose("up", "--detach", "--wait", "mariadb"),
        stop_services=lambda: compose("stop", *(process.name for process in SERVICES)),
        migrate=migrate,
    )


def make_backup(database: Database, path: Path | None) -> int:
    """Write a backup and say what is in it."""
    path = path or ROOT / "backups" / backup.default_name(datetime.now(UTC))
    if path.exists():
        raise StackError(f"{path} exists already")
    manifest = backup.write_backup(database, path)
    print(f"{path}, {path.stat().st_size:,} bytes")
    for name, version in manifest["migrations"].items():
        print(f"  {name:<20} migration {version}")
    print("It holds every reading and account, and hashes of passwords, but no secrets. Keep it safe.")
    return 0


def restore(database: Database, path: Path, steps: Steps, *, replace: bool) -> int:
    """Bring the databases of a backup into a stack, whose services are stopped afterwards; 1 when they do not add up.

    Raises:
        StackError: the file is damaged or of a newer version, or the stack holds data and ``replace`` does not say that
            they may go.
    """
    manifest = backup.read_manifest(path)
    known = {file.stem for file in ROOT.glob("services/*/src/*/migrations/versions/*.py")}
    unknown = {name: version for name, version in manifest["migrations"].items() if version not in known}
    if unknown:
        told = ", ".join(f"{name} {version}" for name, version in unknown.items())
        raise StackError(f"this version does not know the migration of the backup ({told}): restore with a newer one")
    steps.start_servers()
    held = backup.holds_data(database)
    if held and not replace:
        raise StackError(
            f"this stack holds data ({', '.join(held)}), which a restore replaces: make restore REPLACE=yes FILE=…"
        )
    steps.stop_services()
    print(f"Restoring what was there at {manifest['created_at']}", flush=True)
    backup.load_backup(database, path)
    backup.finish(database)  # whole now: what is left to do is what every start does
    steps.migrate()
    print(f"  {backup.ledger_line(database)}")
    problems = backup.check(database)
    for problem in problems:
        print(f"  does not add up: {problem}")
    print("make up starts it." if not problems else "Try make rebuild, once it runs, where rollups differ.")
    return 1 if problems else 0
