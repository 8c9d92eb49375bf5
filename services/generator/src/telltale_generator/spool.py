"""The disk spool: deliveries wait here from before they are published until the broker has confirmed them.

One SQLite file and one lock per generator. Every start is a new producer with numbers of its own; what predecessors
left unconfirmed is still here, byte for byte, and so is how far each of them had come.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1
ROW_OVERHEAD = 128
"""Bytes that a delivery takes in the file besides its body, rounded up."""

_SCHEMA = """
CREATE TABLE producers (
  producer TEXT PRIMARY KEY,
  published INTEGER NOT NULL,
  dropped INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  producer TEXT NOT NULL REFERENCES producers,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (producer, first)
) STRICT;
"""


class SpoolUnusable(Exception):
    """The spool cannot be opened; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A run of numbers of one producer with the bytes that carry it."""

    producer: str
    first: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        """Number of the last reading."""
        return self.first + self.count - 1

    @property
    def cost(self) -> int:
        """Bytes that it takes in the spool."""
        return len(self.body) + ROW_OVERHEAD


@dataclass(frozen=True, slots=True)
class Spooled:
    """A delivery and its place in the order in which all were put."""

    place: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class SpooledProducer:
    """How far a producer had come, as the spool knows it."""

    producer: str
    published: int
    confirmed: int
    dropped: int


class Spool:
    """Deliveries in the order in which they were put. Blocking, and for one thread at a time.

    A put is durable against the death of the process when it returns (a power cut may take back the last moments, in
    which case nothing that was taken back had been acknowledged to anyone but the broker, which has it).

    Args:
        folder: where the file lives; made if it is not there.

    Raises:
        SpoolUnusable: another process holds it, the folder cannot be written, or the file is from a newer version.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder / "spool.lock")
        except OSError as error:
            raise SpoolUnusable(f"the spool folder {folder} cannot be used: {error.strerror}") from error
        try:
            self._database = _opened(folder / "spool.sqlite3")
            row = self._database.execute("SELECT coalesce(sum(length(body)), 0), count(*) FROM deliveries").fetchone()
        except (sqlite3.Error, SpoolUnusable) as error:
            os.close(self._lock)
            raise SpoolUnusable(f"the spool in {folder} cannot be opened: {error}") from error
        self._bytes = int(row[0]) + int(row[1]) * ROW_OVERHEAD
        self._waiting = int(row[1])

    @property
    def bytes(self) -> int:
        """Bytes that waiting deliveries take."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """How many deliveries wait."""
        return self._waiting

    def put(self, producer: str, deliveries: Sequence[Delivery], dropped: int) -> None:
        """Keep ``deliveries`` of ``producer``, all or none, and its count of dropped readings."""
        published = deliveries[-1].last if deliveries else 0
        with self._database:
            self._database.execute(
                "INSERT INTO producers (producer, published, dropped) VALUES (?, ?, ?)"
                " ON CONFLICT (producer) DO UPDATE SET"
                " published = max(published, excluded.published), dropped = max(dropped, excluded.dropped)",
                (producer, published, dropped),
            )
            self._database.executemany(
                "INSERT INTO deliveries (producer, first, count, body) VALUES (?, ?, ?, ?)",
                [(producer, one.first, one.count, one.body) for one in deliveries],
            )
        self._bytes += sum(one.cost for one in deliveries)
        self._waiting += len(deliveries)

    def after(self, place: int, limit: int) -> list[Spooled]:
        """Up to ``limit`` deliveries behind ``place``, in order; 0 is before the first."""
        rows = self._database.execute(
            "SELECT id, producer, first, count, body FROM deliveries WHERE id > ? ORDER BY id LIMIT ?", (place, limit)
        )
        return [Spooled(row[0], Delivery(*row[1:])) for row in rows]

    def remove(self, spooled: Iterable[Spooled]) -> None:
        """Forget deliveries that the broker has confirmed."""
        gone = list(spooled)
        with self._database:
            self._database.executemany("DELETE FROM deliveries WHERE id = ?", [(one.place,) for one in gone])
        self._bytes -= sum(one.delivery.cost for one in gone)
        self._waiting -= len(gone)

    def producers(self) -> list[SpooledProducer]:
        """Every producer that this spool has not forgotten, oldest first."""
        rows = self._database.execute(
            "SELECT producer, published, coalesce("
            "  (SELECT min(first) - 1 FROM deliveries WHERE deliveries.producer = producers.producer), published),"
            " dropped FROM producers ORDER BY producer"
        )
        return [SpooledProducer(*row) for row in rows]

    def forget(self, producer: str) -> None:
        """Forget a producer of which no delivery waits any more."""
        with self._database:
            self._database.execute("DELETE FROM producers WHERE producer = ?", (producer,))

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._database.close()
        os.close(self._lock)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise SpoolUnusable(
            f"the spool in {path.parent} is in use by another generator (process {holder or 'unknown'}):"
            " stop that one, or give this one a GENERATOR_SPOOL_DIR of its own"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _opened(path: Path) -> sqlite3.Connection:
    # One thread at a time uses the connection, but not the one that opened it.
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    except sqlite3.Error:
        database.close()
        raise
    if version not in (0, SCHEMA_VERSION):
        database.close()
        raise SpoolUnusable(f"its version is {version}, this program knows {SCHEMA_VERSION}")
    return database
