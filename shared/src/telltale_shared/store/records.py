"""Records: inserting many readings at once, each stored at most once."""

import json
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

_INSERT_FRESH = "INSERT IGNORE INTO records (series_id, observed_at, value) VALUES (%s, %s, %s)"
_INSERT_CHECKED = "INSERT INTO records (series_id, observed_at, value) VALUES (%s, %s, %s)"
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


async def insert_records(connection: AsyncConnection, columns: Columns) -> Outcomes:
    """Store ``columns``, which must be in the order of :func:`key_order`; the first value of an instant stays.

    Returns:
        For each reading its :class:`Outcome`.

    Raises:
        InsertRaced: a record appeared between looking and inserting.
    """
    outcomes = np.zeros(len(columns), dtype=np.int8)
    if not len(columns):
        return outcomes
    if _all_distinct(columns) and await _insert_fresh(connection, columns):
        return outcomes
    existing = await _existing_values(connection, columns)
    _classify(columns, existing, outcomes)
    stored = columns.take(outcomes == Outcome.STORED)
    if len(stored):
        try:
            await connection.exec_driver_sql(_INSERT_CHECKED, stored.rows())
        except IntegrityError as error:
            raise InsertRaced from error
    return outcomes


def _all_distinct(columns: Columns) -> bool:
    same = (np.diff(columns.series_id) == 0) & (np.diff(columns.observed_at) == 0)
    return not same.any()


async def _insert_fresh(connection: AsyncConnection, columns: Columns) -> bool:
    """Insert as if nothing was there before; False, with nothing inserted, when something was."""
    savepoint = await connection.begin_nested()
    result = await connection.exec_driver_sql(
        _INSERT_FRESH, columns.rows(), execution_options={"preserve_rowcount": True}
    )
    if result.rowcount == len(columns):
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
