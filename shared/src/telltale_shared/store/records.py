"""Records: inserting many readings at once, each stored at most once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.int8]

LOOKUP_CHUNK = 5_000

_INSERT = "INSERT INTO records (series_id, observed_at, value) VALUES (%s, %s, %s)"
_INSERT_IMPORTED = "INSERT INTO records (series_id, observed_at, value, import_id, note) VALUES (%s, %s, %s, {}, %s)"
_INSERT_UNNOTED = "INSERT INTO records (series_id, observed_at, value, import_id) VALUES (%s, %s, %s, {})"
_LOOKUP = text("""
SELECT STRAIGHT_JOIN wanted.position, records.value
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    position INT UNSIGNED PATH '$[0]', series_id INT UNSIGNED PATH '$[1]', observed_at DATETIME(6) PATH '$[2]'
)) AS wanted
JOIN records ON records.series_id = wanted.series_id AND records.observed_at = wanted.observed_at
""")
_LATEST = """
INSERT INTO series_latest (series_id, observed_at, value) VALUES (%s, %s, %s)
ON DUPLICATE KEY UPDATE
  value = IF(VALUES(observed_at) >= observed_at, VALUES(value), value),
  observed_at = GREATEST(observed_at, VALUES(observed_at))
"""


class Outcome(IntEnum):
    """What became of one reading."""

    STORED = 0
    REPEATED = 1
    """A record with the same series, instant and value was there before."""
    CONFLICT = 2
    """A record with the same series and instant but another value was there before; it stays."""


class InsertRaced(Exception):
    """Somebody else stored the same record meanwhile: run the transaction again."""


@dataclass(frozen=True)
class Columns:
    """Readings of known series in columns of equal length."""

    series_id: Integers
    observed_at: Integers
    """µs since 1970-01-01 UTC."""
    value: Floats

    def __len__(self) -> int:
        return len(self.value)

    def take(self, selection: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Columns":
        """The readings that ``selection`` names, by position or by mask."""
        return Columns(self.series_id[selection], self.observed_at[selection], self.value[selection])

    def rows(self) -> list[tuple[int, datetime, float]]:
        """The readings as rows for the driver."""
        return list(zip(self.series_id.tolist(), datetimes(self.observed_at), self.value.tolist(), strict=True))


def datetimes(microseconds: Integers) -> list[datetime]:
    """Naive UTC datetimes of µs since 1970-01-01 UTC."""
    converted: list[datetime] = microseconds.astype("datetime64[us]").tolist()
    return converted


def key_order(columns: Columns) -> npt.NDArray[np.intp]:
    """Positions in the order of the clustered key, earlier readings first among equals."""
    return np.lexsort((columns.observed_at, columns.series_id))


@dataclass(frozen=True)
class Imported:
    """What records have beside their readings when they come from a file."""

    import_id: int
    notes: Sequence[str | None] | None
    """The note of each reading; None where no reading has one."""


async def insert_records(connection: AsyncConnection, columns: Columns, imported: Imported | None = None) -> Outcomes:
    """Store ``columns``, which must be in the order of :func:`key_order`; the first value of an instant stays.

    Args:
        connection: in the caller's transaction.
        columns: the readings.
        imported: what the records have besides.

    Returns:
        For each reading its :class:`Outcome`.

    Raises:
        InsertRaced: a record appeared between looking and inserting.
    """
    outcomes = np.zeros(len(columns), dtype=np.int8)
    if not len(columns):
        return outcomes
    statement, rows = _insertion(columns, imported)
    if _all_distinct(columns) and await _insert_fresh(connection, statement, rows):
        return outcomes
    existing = await _existing_values(connection, columns)
    _classify(columns, existing, outcomes)
    stored = [rows[position] for position in np.flatnonzero(outcomes == Outcome.STORED)]
    if stored:
        try:
            await connection.exec_driver_sql(statement, stored)
        except IntegrityError as error:
            raise InsertRaced from error
    return outcomes


def _insertion(columns: Columns, imported: Imported | None) -> tuple[str, list[tuple[object, ...]]]:
    """The statement that inserts ``columns``, and its rows."""
    at = datetimes(columns.observed_at)
    plain = (columns.series_id.tolist(), at, columns.value.tolist())
    if imported is None:
        return _INSERT, list(zip(*plain, strict=True))
    if imported.notes is None:
        return _INSERT_UNNOTED.format(int(imported.import_id)), list(zip(*plain, strict=True))
    return _INSERT_IMPORTED.format(int(imported.import_id)), list(zip(*plain, imported.notes, strict=True))


def _all_distinct(columns: Columns) -> bool:
    same = (np.diff(columns.series_id) == 0) & (np.diff(columns.observed_at) == 0)
    return not same.any()


async def _insert_fresh(connection: AsyncConnection, statement: str, rows: list[tuple[object, ...]]) -> bool:
    """Insert as if nothing was there before; False, with nothing inserted, when something was."""
    savepoint = await connection.begin_nested()
    ignoring = statement.replace("INSERT", "INSERT IGNORE", 1)
    result = await connection.exec_driver_sql(ignoring, rows, execution_options={"preserve_rowcount": True})
    if result.rowcount == len(rows):
        await savepoint.commit()
        return True
    await savepoint.rollback()
    return False


async def _existing_values(connection: AsyncConnection, columns: Columns) -> dict[int, float]:
    """By position in ``columns``: the value that is stored for that series and instant."""
    found: dict[int, float] = {}
    rows = columns.rows()
    for begin in range(0, len(rows), LOOKUP_CHUNK):
        wanted = [
            (begin + offset, series_id, observed_at.isoformat(" "))
            for offset, (series_id, observed_at, _) in enumerate(rows[begin : begin + LOOKUP_CHUNK])
        ]
        result = await connection.execute(_LOOKUP, {"wanted": json.dumps(wanted)})
        found.update((row.position, row.value) for row in result)
    return found


def _classify(columns: Columns, existing: dict[int, float], outcomes: Outcomes) -> None:
    previous: tuple[int, int, float] | None = None
    for position, (series_id, observed_at, value) in enumerate(
        zip(columns.series_id.tolist(), columns.observed_at.tolist(), columns.value.tolist(), strict=True)
    ):
        first = existing.get(position)
        if first is None and previous is not None and previous[:2] == (series_id, observed_at):
            first = previous[2]
        if first is None:
            previous = (series_id, observed_at, value)
        else:
            outcomes[position] = Outcome.REPEATED if first == value else Outcome.CONFLICT


async def advance_latest(connection: AsyncConnection, columns: Columns) -> None:
    """Make the newest of ``columns`` (in key order, all stored) the latest of its series where it is newer."""
    if not len(columns):
        return
    last_of_series = np.flatnonzero(np.append(np.diff(columns.series_id) != 0, True))
    await connection.exec_driver_sql(_LATEST, columns.take(last_of_series).rows())
