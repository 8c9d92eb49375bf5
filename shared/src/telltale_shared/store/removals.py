"""Removing many records at once, with all that hangs on them, in the caller's transaction.

In the order that all changes of records follow: records, what detectors said of them, the latest reading of their
series, the rollup buckets that held them.
"""

import json
import time

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant, microseconds
from telltale_shared.store.audit import Actor
from telltale_shared.store.records import LOOKUP_CHUNK, Integers, datetimes
from telltale_shared.store.rollups import recompute_at

# The driver sends a DELETE or UPDATE of many rows one by one: a join with all their keys takes half of the time.
_GONE = """
JSON_TABLE(:keys, '$[*]' COLUMNS (series_id INT UNSIGNED PATH '$[0]', observed_at DATETIME(6) PATH '$[1]')) AS gone
STRAIGHT_JOIN {table} AS was ON was.series_id = gone.series_id AND was.observed_at = gone.observed_at
"""
_DELETE = text(f"DELETE was FROM {_GONE.format(table='records')}")
_DELETE_ANOMALIES = text(f"DELETE was FROM {_GONE.format(table='anomalies')}")
# No record of it had an ETag that could fit a successor, unless somebody has edited it.
_REVISE = text(f"UPDATE {_GONE.format(table='record_edits')} SET was.revision = was.revision + 1")  # noqa: S608 - our own text
_REVISE_ALL = """
INSERT INTO record_edits (series_id, observed_at, revision, edited_by, edited_at) VALUES (%s, %s, 1, %s, %s)
ON DUPLICATE KEY UPDATE revision = revision + 1, edited_by = VALUES(edited_by), edited_at = VALUES(edited_at)
"""
_LOCK_LATEST = text(
    "SELECT series_id, observed_at FROM series_latest WHERE series_id IN :ids ORDER BY series_id FOR UPDATE"
).bindparams(bindparam("ids", expanding=True))
_NEWEST = text("SELECT observed_at, value FROM records WHERE series_id = :series_id ORDER BY observed_at DESC LIMIT 1")
_FORGET_LATEST = text("DELETE FROM series_latest WHERE series_id = :series_id")
_SET_LATEST = text("UPDATE series_latest SET observed_at = :observed_at, value = :value WHERE series_id = :series_id")


async def remove_records(
    connection: AsyncConnection, series_id: Integers, observed_at: Integers, *, deleted_by: Actor | None = None
) -> None:
    """Remove records that the caller has locked.

    Args:
        connection: in the caller's transaction.
        series_id: of each record.
        observed_at: of each record, µs since 1970-01-01 UTC; in key order.
        deleted_by: whoever deletes them for good: every one of them is revised in this name, so that no ETag that
            somebody has read fits a successor.
    """
    if not len(series_id):
        return
    keys = list(zip(series_id.tolist(), datetimes(observed_at), strict=True))
    for begin in range(0, len(keys), LOOKUP_CHUNK):
        some = json.dumps([(one, at.isoformat(" ")) for one, at in keys[begin : begin + LOOKUP_CHUNK]])
        for statement in (_DELETE, _DELETE_ANOMALIES, *([_REVISE] if deleted_by is None else [])):
            await connection.execute(statement, {"keys": some})
    if deleted_by is not None:
        by, at = deleted_by.name[:100], instant(time.time_ns() // 1_000)
        await connection.exec_driver_sql(_REVISE_ALL, [(*key, by, at) for key in keys])
    await _find_latest_again(connection, series_id, observed_at)
    await recompute_at(connection, series_id, observed_at)


async def _find_latest_again(connection: AsyncConnection, series_id: Integers, removed: Integers) -> None:
    last = np.flatnonzero(np.append(np.diff(series_id) != 0, True))
    newest_removed = dict(zip(series_id[last].tolist(), removed[last].tolist(), strict=True))
    # Locked before the records are read: a writer that has stored a newer one meanwhile compares with what we leave.
    latest = (await connection.execute(_LOCK_LATEST, {"ids": list(newest_removed)})).all()
    for one in latest:
        if microseconds(one.observed_at) > newest_removed[one.series_id]:
            continue
        newest = (await connection.execute(_NEWEST, {"series_id": one.series_id})).first()
        if newest is None:
            await connection.execute(_FORGET_LATEST, {"series_id": one.series_id})
        else:
            values = {"series_id": one.series_id, "observed_at": newest.observed_at, "value": newest.value}
            await connection.execute(_SET_LATEST, values)
