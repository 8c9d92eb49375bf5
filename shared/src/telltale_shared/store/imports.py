"""What an import does to the records, and how it is taken back: bounded steps, each in the caller's transaction.

A step touches things in the writer's order: records, revisions, the latest reading of each series, rollup buckets.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant, microseconds
from telltale_shared.store import rollups
from telltale_shared.store.audit import Actor
from telltale_shared.store.records import (
    Columns,
    Floats,
    Imported,
    InsertRaced,
    Integers,
    Outcome,
    advance_latest,
    datetimes,
    insert_records,
)
from telltale_shared.store.removals import remove_records

LOOKUP_CHUNK = 5_000

_READ_REPLACED = text("""
SELECT STRAIGHT_JOIN wanted.position, records.value, records.note, records.import_id, edits.revision, edits.edited_at
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    position INT UNSIGNED PATH '$[0]', series_id INT UNSIGNED PATH '$[1]', observed_at DATETIME(6) PATH '$[2]'
)) AS wanted
JOIN records ON records.series_id = wanted.series_id AND records.observed_at = wanted.observed_at
LEFT JOIN record_edits AS edits ON edits.series_id = wanted.series_id AND edits.observed_at = wanted.observed_at
FOR UPDATE
""")
_KEEP_PRE_IMAGE = """
INSERT INTO import_replacements
  (import_id, series_id, observed_at, value, note, record_import_id, edited_at, revision, settled)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, FALSE)
"""
_REPLACE = """
UPDATE records SET value = %s, note = COALESCE(%s, note), import_id = %s WHERE series_id = %s AND observed_at = %s
"""
_SET_REVISION = """
INSERT INTO record_edits (series_id, observed_at, revision, edited_by, edited_at) VALUES (%s, %s, %s, %s, %s)
ON DUPLICATE KEY UPDATE revision = VALUES(revision), edited_by = VALUES(edited_by), edited_at = VALUES(edited_at)
"""
_SET_LATEST = "UPDATE series_latest SET value = %s WHERE series_id = %s AND observed_at = %s"

_READ_REPLACEMENTS = text("""
SELECT was.series_id, was.observed_at, was.value, was.note, was.record_import_id, was.revision,
  records.import_id = was.import_id AND edits.revision = was.revision AS untouched,
  earlier.state IN ('undoing', 'undone', 'cancelled', 'failed') AS earlier_undone
FROM import_replacements AS was
LEFT JOIN records ON records.series_id = was.series_id AND records.observed_at = was.observed_at
LEFT JOIN record_edits AS edits ON edits.series_id = was.series_id AND edits.observed_at = was.observed_at
LEFT JOIN imports AS earlier ON earlier.id = was.record_import_id
WHERE was.import_id = :import_id AND NOT was.settled AND (was.series_id, was.observed_at) > (:series_id, :observed_at)
ORDER BY was.series_id, was.observed_at LIMIT :limit FOR UPDATE
""")
_RESTORE = "UPDATE records SET value = %s, note = %s, import_id = %s WHERE series_id = %s AND observed_at = %s"
_SETTLE = """
UPDATE import_replacements SET settled = TRUE, revision = %s
WHERE import_id = %s AND series_id = %s AND observed_at = %s
"""

# The limit is on what is looked at, not on what is found: the import may have left few rows among many of others.
_READ_STORED = text("""
SELECT observed_at, import_id FROM records
WHERE series_id = :series_id AND observed_at > :after AND observed_at <= :until
ORDER BY observed_at LIMIT :limit FOR UPDATE
""")
# An edit since, unless it was another import's that has been taken back: then the record is what we have stored.
_READ_EDITED = text("""
SELECT edits.observed_at,
  EXISTS (SELECT 1 FROM import_replacements AS was WHERE was.import_id = :import_id
    AND was.series_id = edits.series_id AND was.observed_at = edits.observed_at) AS replaced
FROM record_edits AS edits
WHERE edits.series_id = :series_id AND edits.observed_at >= :first AND edits.observed_at <= :last
  AND edits.edited_at >= :began_at
  AND NOT EXISTS (SELECT 1 FROM import_replacements AS was WHERE was.series_id = edits.series_id
    AND was.observed_at = edits.observed_at AND was.record_import_id = :import_id AND was.settled
    AND was.revision = edits.revision AND (was.edited_at IS NULL OR was.edited_at < :began_at))
""")


@dataclass(frozen=True)
class Stored:
    """What became of some rows of a file."""

    stored: int = 0
    repeated: int = 0
    """Were stored already, with the same value."""
    kept: int = 0
    """Another value is stored, and stays."""
    replaced: int = 0
    """Another value was stored."""


@dataclass(frozen=True)
class TakenBack:
    """What one step of undoing did."""

    removed: int = 0
    restored: int = 0
    left: int = 0
    """Edited or deleted since, so they stay as they are."""
    seen: int = 0
    """Records looked at; fewer than the limit of the step where nothing is left to do."""
    last: tuple[int, datetime] | None = None
    """Where the step ended (series id, naive UTC)."""


async def store_rows(
    connection: AsyncConnection,
    actor: Actor,
    columns: Columns,
    origins: Floats,
    imported: Imported,
    *,
    replace: bool,
) -> Stored:
    """Store some rows of a file.

    Args:
        connection: in the caller's transaction.
        actor: who imports.
        columns: the readings, in key order and each of another instant.
        origins: per reading the origin of its series.
        imported: the import and the notes.
        replace: whether a stored value gives way to another one in the file.

    Raises:
        InsertRaced: somebody else changed these records meanwhile: run the transaction again.
    """
    outcomes = await insert_records(connection, columns, imported)
    fresh = outcomes == Outcome.STORED
    other = outcomes == Outcome.CONFLICT
    replaced = np.zeros(0, np.intp)
    if replace:
        candidates = other | ((outcomes == Outcome.REPEATED) & _noted(imported.notes, len(columns)))
        replaced = await _replace(connection, actor, columns, imported, np.flatnonzero(candidates))
        other[:] = False
    await advance_latest(connection, columns.take(fresh))
    await rollups.add(connection, columns.take(fresh), origins[fresh])
    if len(replaced):
        await rollups.recompute_at(connection, columns.series_id[replaced], columns.observed_at[replaced])
    stored, kept = int(fresh.sum()), int(other.sum())
    return Stored(stored, len(columns) - stored - kept - len(replaced), kept, len(replaced))


def _noted(notes: Sequence[str | None] | None, rows: int) -> np.ndarray:
    if notes is None:
        return np.zeros(rows, np.bool_)
    return np.fromiter((note is not None for note in notes), np.bool_, rows)


async def _replace(
    connection: AsyncConnection,
    actor: Actor,
    columns: Columns,
    imported: Imported,
    positions: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Give the records of ``positions`` their new value and note where these differ. Returns the positions that did."""
    if not len(positions):
        return positions
    series_id, observed_at = columns.series_id.tolist(), datetimes(columns.observed_at)
    found: list[Row[Any]] = []
    for begin in range(0, len(positions), LOOKUP_CHUNK):
        some = positions[begin : begin + LOOKUP_CHUNK].tolist()
        wanted = json.dumps([(at, series_id[at], observed_at[at].isoformat(" ")) for at in some])
        found += (await connection.execute(_READ_REPLACED, {"wanted": wanted})).all()
    if len(found) < len(positions):
        raise InsertRaced
    notes = imported.notes or [None] * len(columns)
    values = columns.value.tolist()
    changed = [
        row
        for row in sorted(found, key=lambda row: row.position)
        if row.value != values[row.position] or notes[row.position] not in (None, row.note)
    ]
    if not changed:
        return np.zeros(0, np.intp)
    at = [row.position for row in changed]
    keys = [(series_id[position], observed_at[position]) for position in at]
    revisions = [(row.revision or 0) + 1 for row in changed]
    pre_images = [
        (imported.import_id, *key, row.value, row.note, row.import_id, row.edited_at, revision)
        for key, row, revision in zip(keys, changed, revisions, strict=True)
    ]
    await connection.exec_driver_sql(_KEEP_PRE_IMAGE, pre_images)
    new = [(values[position], notes[position], imported.import_id) for position in at]
    await _run(connection, _REPLACE, new, keys)
    await _set_revisions(connection, actor, keys, revisions)
    await _run(connection, _SET_LATEST, [(values[position],) for position in at], keys)
    return np.array(at, np.intp)


async def restore_replaced(
    connection: AsyncConnection, actor: Actor, import_id: int, after: tuple[int, datetime], limit: int
) -> TakenBack:
    """Give records that an import has replaced their old value, note and origin back.

    What somebody edited or deleted since stays as it is. A record whose earlier import has been undone itself is
    removed.

    Args:
        connection: in the caller's transaction.
        actor: who takes the import back.
        import_id: which import.
        after: where the step before ended; (0, any time) at first.
        limit: records at most.
    """
    window = {"import_id": import_id, "series_id": after[0], "observed_at": after[1], "limit": limit}
    found = (await connection.execute(_READ_REPLACEMENTS, window)).all()
    if not found:
        return TakenBack()
    back = [row for row in found if row.untouched and not row.earlier_undone]
    gone = [row for row in found if row.untouched and row.earlier_undone]
    keys = [(row.series_id, row.observed_at) for row in back]
    if back:
        await _run(connection, _RESTORE, [(row.value, row.note, row.record_import_id) for row in back], keys)
        await _set_revisions(connection, actor, keys, [row.revision + 1 for row in back])
        await _run(connection, _SET_LATEST, [(row.value,) for row in back], keys)
        await rollups.recompute_at(connection, *_columns(keys))
    await remove_records(connection, *_columns([(row.series_id, row.observed_at) for row in gone]))
    settled = [(row.revision + bool(row.untouched), import_id, row.series_id, row.observed_at) for row in found]
    await connection.exec_driver_sql(_SETTLE, settled)
    restored = len(back) + len(gone)
    last = found[-1]
    return TakenBack(
        restored=restored, left=len(found) - restored, seen=len(found), last=(last.series_id, last.observed_at)
    )


async def remove_stored(
    connection: AsyncConnection,
    import_id: int,
    began_at: datetime,
    series_id: int,
    *,
    after: datetime,
    until: datetime,
    limit: int,
) -> TakenBack:
    """Remove records of one series that an import has stored; what somebody edited since stays.

    Args:
        connection: in the caller's transaction.
        import_id: which import; what it has replaced must be restored by then.
        began_at: when it began to store (naive UTC).
        series_id: of the records.
        after: where the step before ended (naive UTC).
        until: the import's last row in this series (naive UTC).
        limit: records to look at.
    """
    window = {"series_id": series_id, "after": after, "until": until, "limit": limit}
    seen = (await connection.execute(_READ_STORED, window)).all()
    if not seen:
        return TakenBack()
    ours = [row.observed_at for row in seen if row.import_id == import_id]
    left = 0
    if ours:
        edited = (
            await connection.execute(
                _READ_EDITED,
                {
                    "import_id": import_id, "series_id": series_id, "began_at": began_at,
                    "first": ours[0], "last": ours[-1],
                },
            )
        ).all()  # fmt: skip
        # Those that were replaced first and edited then have been counted as left already.
        replaced = {row.observed_at for row in edited if row.replaced}
        staying = {row.observed_at for row in edited}
        left = sum(at in staying and at not in replaced for at in ours)
        ours = [at for at in ours if at not in staying]
        await remove_records(connection, *_columns([(series_id, at) for at in ours]))
    return TakenBack(removed=len(ours), left=left, seen=len(seen), last=(series_id, seen[-1].observed_at))


async def _run(
    connection: AsyncConnection,
    statement: str,
    values: Sequence[tuple[object, ...]],
    keys: Sequence[tuple[int, datetime]],
) -> None:
    await connection.exec_driver_sql(statement, [(*one, *key) for one, key in zip(values, keys, strict=True)])


async def _set_revisions(
    connection: AsyncConnection, actor: Actor, keys: Sequence[tuple[int, datetime]], revisions: Sequence[int]
) -> None:
    by, now = actor.name[:100], instant(time.time_ns() // 1_000)
    rows = [(*key, revision, by, now) for key, revision in zip(keys, revisions, strict=True)]
    await connection.exec_driver_sql(_SET_REVISION, rows)


def _columns(keys: Sequence[tuple[int, datetime]]) -> tuple[Integers, Integers]:
    return (
        np.array([series_id for series_id, _ in keys], np.int64),
        np.array([microseconds(at) for _, at in keys], np.int64),
    )
