"""Backups: one file with every database of a stack as it was at one moment, and the way back.

The file is a tar of ``manifest.json`` and ``databases.sql.gz``. In it are all readings and accounts, with hashes of
passwords and sessions: keep it like the database itself. Not in it, on purpose, is what a stack makes anew or promises
nothing for: secrets (a restored stack has its own, and whoever is signed in stays so), the broker's queues, the
generators' spools (what is in them is not confirmed yet, and they stay where they are), the detector's checkpoint and
logs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from engines import Database
from layout import ROOT, StackError

FORMAT = 1
MANIFEST, DUMP = "manifest.json", "databases.sql.gz"
ATTEMPTS = 5
_BLOCK = 1 << 20
_END = b"-- Dump completed"
# One transaction over all databases is one moment of all of them. It does not keep the writer from making and dropping
# partitions: then the dump fails, and is made again.
_OPTIONS = (
    "--single-transaction", "--quick", "--skip-lock-tables", "--hex-blob", "--default-character-set=utf8mb4",
    "--max-allowed-packet=64M", "--no-tablespaces", "--add-drop-database", "--databases",
)  # fmt: skip


def default_name(now: datetime) -> str:
    """The name of a backup made ``now``."""
    return f"telltale-{now:%Y%m%d-%H%M%S}.backup"


def databases(database: Database) -> list[str]:
    """The databases of the stack that exist."""
    names = [row[0] for row in database.query("SHOW DATABASES")]
    return sorted(name for name in names if (name + "_").startswith(f"{database.prefix}_") and name != _mark(database))


def _mark(database: Database) -> str:
    """A database without tables, which is there as long as a restore is unfinished; accounts.sh looks for it."""
    return f"{database.prefix}_restoring"


def migrations(database: Database) -> dict[str, str]:
    """Database → its migration, for those that have been migrated."""
    found = {}
    for name in databases(database):
        known = f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='{name}' AND TABLE_NAME='alembic_version'"
        if database.query(known):
            version = database.query(f"SELECT version_num FROM `{name}`.alembic_version")
            found[name] = version[0][0] if version else ""
    return found


def write_backup(database: Database, path: Path) -> dict[str, Any]:
    """Write a backup to ``path``, which appears when it is whole. Returns its manifest."""
    names = databases(database)
    if database.prefix not in names:
        raise StackError("there is no database to back up: make up makes one")
    path.parent.mkdir(parents=True, exist_ok=True)
    dump = path.with_name(f".{path.name}.dump")
    partial = path.with_name(f".{path.name}.partial")
    try:
        for attempt in range(1, ATTEMPTS + 1):
            complaint = _dump(database, names, dump)
            if complaint is None:
                break
            if attempt == ATTEMPTS:
                raise StackError(f"mariadb-dump failed: {complaint}")
            time.sleep(attempt)
        manifest = {
            "format": FORMAT,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "server": database.query("SELECT VERSION()")[0][0],
            "migrations": migrations(database),
            "files": {DUMP: {"bytes": dump.stat().st_size, "sha256": _digest(dump)}},
        }
        _private(partial)
        with tarfile.open(partial, "w") as archive:
            body = json.dumps(manifest, indent=2).encode() + b"\n"
            entry = tarfile.TarInfo(MANIFEST)
            entry.size, entry.mode = len(body), 0o600
            archive.addfile(entry, io.BytesIO(body))
            archive.add(dump, DUMP)
        os.sync()
        partial.rename(path)
    finally:
        dump.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return manifest


def _private(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)


def _dump(database: Database, names: list[str], path: Path) -> str | None:
    """Dump ``names`` into ``path``; what went wrong, or None."""
    _private(path)
    command = [*database.dump, *_OPTIONS, *names]
    tail = b""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with gzip.open(path, "wb", compresslevel=3) as compressed:
            while block := process.stdout.read(_BLOCK):
                compressed.write(block)
                tail = (tail + block)[-200:]
        complaint = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        return complaint or f"it ended with {process.returncode}"
    return None if _END in tail else "its end is missing"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are all whole.

    Raises:
        StackError: it is no backup, or a part of it is damaged.
    """
    try:
        with tarfile.open(path) as archive:
            manifest = json.loads(_member(archive, MANIFEST).read())
            if manifest["format"] != FORMAT:
                raise StackError(f"{path} has the format {manifest['format']}, which this version does not know")
            for name, told in manifest["files"].items():
                digest = hashlib.sha256()
                with _member(archive, name) as file:
                    while block := file.read(_BLOCK):
                        digest.update(block)
                if digest.hexdigest() != told["sha256"]:
                    raise StackError(f"{path} is damaged: {name} is not what was written")
    except FileNotFoundError:
        raise StackError(f"there is no file {path}") from None
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise StackError(f"{path} is no backup, or is damaged: {error}") from error
    return dict(manifest)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"no {name} in it")
    return file


@contextmanager
def _statements(path: Path) -> Iterator[IO[bytes]]:
    with tarfile.open(path) as archive, gzip.open(_member(archive, DUMP)) as statements:
        yield statements  # type: ignore[misc]  # a GzipFile reads bytes


def holds_data(database: Database) -> list[str]:
    """Tables with rows that a restore would replace: anything measured, or an account."""
    found, main = [], database.prefix
    for name, tables in ((main, ("series", "producers", "imports")), (f"{main}_auth", ("users",))):
        if name not in databases(database):
            continue
        there = {row[0] for row in database.query(f"SHOW TABLES FROM `{name}`")}
        found += [f"{name}.{t}" for t in tables if t in there and database.query(f"SELECT 1 FROM `{name}`.{t} LIMIT 1")]
    return found


def load_backup(database: Database, path: Path) -> None:
    """Replace the databases by those of the backup ``path``; the services must not run.

    Until :func:`finish` nothing starts: half a restore is no store.
    """
    database.query(f"CREATE DATABASE IF NOT EXISTS `{_mark(database)}`")
    for name in databases(database):
        database.query(f"DROP DATABASE `{name}`")
    with _statements(path) as statements:
        database.load(statements)


def finish(database: Database) -> None:
    """Let the stack start again."""
    database.query(f"DROP DATABASE IF EXISTS `{_mark(database)}`")


# What must hold in every store: all numbers are accounted for, and of what is kept the tiers say the same.
_SINCE = "COALESCE((SELECT rows_from FROM {db}.horizons WHERE table_name = 'records'), '1970-01-01')"
_CHECKS = {
    "producers whose numbers do not add up": """
        SELECT COUNT(*) FROM {db}.producers WHERE published < stored + repeated + dead + missing
    """,
    "producers whose days do not add up to them": """
        SELECT COUNT(*) FROM (
          SELECT p.id FROM {db}.producers p LEFT JOIN {db}.producer_days d ON d.producer_id = p.id
          GROUP BY p.id HAVING CAST(MAX(p.stored) AS SIGNED) <> COALESCE(SUM(d.stored), 0)) AS odd
    """,
    "series whose rollups hold other counts than their records": f"""
        SELECT COUNT(*) FROM (
          SELECT series_id, SUM(n) AS n FROM (
            SELECT series_id, CAST(`count` AS SIGNED) AS n FROM {{db}}.rollups_minute WHERE bucket >= {_SINCE}
            UNION ALL
            SELECT series_id, -COUNT(*) FROM {{db}}.records WHERE observed_at >= {_SINCE} GROUP BY series_id
          ) AS sides GROUP BY series_id HAVING SUM(n) <> 0) AS odd
    """,
    "series whose days hold other counts than their minutes": """
        SELECT COUNT(*) FROM (
          SELECT series_id, SUM(n) AS n FROM (
            SELECT series_id, CAST(`count` AS SIGNED) AS n FROM {db}.rollups_day
            UNION ALL
            SELECT series_id, -CAST(`count` AS SIGNED) FROM {db}.rollups_minute
          ) AS sides GROUP BY series_id HAVING SUM(n) <> 0) AS odd
    """,
}
_LEDGER = ("published", "stored", "missing", "repeated", "dead")


def check(database: Database) -> list[str]:
    """What does not hold in the restored store, in plain words; nothing where all is well."""
    counted = {}
    for what, statement in _CHECKS.items():
        counted[what] = int(database.query(" ".join(statement.format(db=database.prefix).split()))[0][0])
    return [f"{count:,} {what}" for what, count in counted.items() if count]


def ledger_line(database: Database) -> str:
    """The ledger in one line."""
    sums = ", ".join(f"COALESCE(SUM({name}), 0)" for name in _LEDGER)
    row = database.query(f"SELECT {sums} FROM {database.prefix}.producers")[0]
    return ", ".join(f"{int(value):,} {name}" for name, value in zip(_LEDGER, row, strict=True))
