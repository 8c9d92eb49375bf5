"""A store in a folder of its own: private servers, a database, a DuckDB file, and a note of what is in it."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from telltale_shared.testing import Servers

from .check import check_store
from .load import Loader, make_partitions, migrate
from .readings import Readings
from .tables import Client

ROOT = Path(__file__).resolve().parents[3]
DATABASE = "bench"
VERSION = 1
"""Of the readings and of the way they are kept: a folder of another one is loaded anew."""


@dataclass(frozen=True)
class Store:
    """A loaded store whose servers run."""

    readings: Readings
    records: int
    """That are really there."""
    servers: Servers
    duckdb_path: Path

    @property
    def url(self) -> str:
        """Of the database, without the password."""
        return f"{self.servers.mariadb_url}{DATABASE}"

    @property
    def client(self) -> Client:
        """To run SQL as root."""
        return Client(self.servers.mariadb_client, DATABASE)


@contextmanager
def opened(folder: Path, readings: Readings, *, keep: bool, reuse: bool) -> Iterator[Store]:
    """A running store in ``folder``.

    Args:
        folder: made where it is missing; whatever is in it is lost unless it is reused.
        readings: what the store holds.
        keep: whether to leave the folder for another run.
        reuse: whether to take the store that is there, if it holds these readings.
    """
    note = folder / "store.json"
    wanted = {**asdict(readings), "version": VERSION}
    found = json.loads(note.read_text()) if note.exists() else {}
    fits = reuse and {name: found.get(name) for name in wanted} == wanted
    if not fits:
        _stack("servers-down", folder)
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    _stack("servers-up", folder)
    try:
        servers = Servers.read(folder)
        path = folder / "records.duckdb"
        if not fits:
            note.write_text(json.dumps({**wanted, "stored": _load(folder, readings, servers, path)}))
        migrate(servers, DATABASE)
        yield Store(readings, json.loads(note.read_text())["stored"], servers, path)
    finally:
        _stack("servers-down", folder)
        # Another stack may have its ports by the time of the next run.
        (folder / "port-offset").unlink()
        if not keep and not fits:
            shutil.rmtree(folder)


def _load(folder: Path, readings: Readings, servers: Servers, path: Path) -> int:
    began = time.monotonic()
    print(f"loading {readings.records:,} records into {folder}", flush=True)
    work = folder / "work"
    work.mkdir()
    servers.run_sql(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
    migrate(servers, DATABASE)
    make_partitions(servers, DATABASE, readings)
    client = Client(servers.mariadb_client, DATABASE)
    stored = Loader(readings, client, work, path).load()
    work.rmdir()
    with duckdb.connect(path, read_only=True) as duck:
        check_store(client, duck, stored, readings.series)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"loaded and checked in {time.monotonic() - began:.0f} s, {size / 1e9:.1f} GB", flush=True)
    return stored


def _stack(command: str, folder: Path) -> None:
    if command == "servers-down" and not folder.exists():
        return
    options = ("--run-dir", str(folder), "--port-offset", "auto")
    subprocess.run(
        [sys.executable, str(ROOT / "deploy/native/stack.py"), command, *options], check=True, stdout=subprocess.DEVNULL
    )
