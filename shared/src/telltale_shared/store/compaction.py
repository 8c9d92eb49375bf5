"""Keeping stored sketches short, although adding to one only appends to it."""

import json
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store import sketches
from telltale_shared.store.records import LOOKUP_CHUNK
from telltale_shared.store.tiers import Tier

COMPACTION_COST = 20_000
"""What reading and writing a row again costs, in bytes that an upsert could have carried along instead."""

_READ = """
SELECT STRAIGHT_JOIN stored.bins, stored.series_id, stored.bucket
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    series_id INT UNSIGNED PATH '$[0]', bucket DATETIME PATH '$[1]'
)) AS wanted
JOIN {table} AS stored ON stored.series_id = wanted.series_id AND stored.bucket = wanted.bucket
"""
_WRITE = "UPDATE {table} SET bins = %s WHERE series_id = %s AND bucket = %s"

_random = np.random.default_rng()


async def compact_by_chance(
    connection: AsyncConnection, tier: Tier, keys: Sequence[tuple[int, datetime]], appended: Sequence[bytes]
) -> None:
    """Rewrite some of the sketches that were just added to, so that each stays about as short as it can be.

    Every append rewrites its row: a row that is ``n`` bytes longer than it need be costs ``n`` bytes at each of them,
    a compaction costs ``COMPACTION_COST`` once. With ``a`` bytes an append, both come to the least when a row is
    compacted once in √(COMPACTION_COST / a) appends. Left to chance, this needs no memory of any row and holds whoever
    appends. The rows of a call share one throw: most calls then need no statement here at all.

    Args:
        connection: in the transaction that added to them.
        tier: theirs.
        keys: (series id, bucket) of each.
        appended: what each was given.
    """
    lengths = np.array([len(blob) for blob in appended])
    chosen = np.flatnonzero(_random.random() < np.sqrt(lengths / COMPACTION_COST)).tolist()
    for begin in range(0, len(chosen), LOOKUP_CHUNK):
        await _compact(connection, tier, [keys[position] for position in chosen[begin : begin + LOOKUP_CHUNK]])


async def _compact(connection: AsyncConnection, tier: Tier, keys: Sequence[tuple[int, datetime]]) -> None:
    wanted = json.dumps([(series_id, bucket.isoformat(" ")) for series_id, bucket in keys])
    rows = (await connection.execute(text(_READ.format(table=tier.sketches)), {"wanted": wanted})).all()
    row, codes, counts = sketches.bins_in([bins for bins, _, _ in rows])
    shorter = [
        (blob, series_id, bucket)
        for blob, (bins, series_id, bucket) in zip(
            sketches.to_blobs(row, codes, counts, length=len(rows)), rows, strict=True
        )
        if len(blob) < len(bins)
    ]
    if shorter:
        await connection.exec_driver_sql(_WRITE.format(table=tier.sketches), shorter)
