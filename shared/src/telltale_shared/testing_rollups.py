"""What the rollups should be, worked out from the raw rows one by one, and whether they are."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store.rollups import TIERS, Tier
from telltale_shared.store.sketches import ENTRY, codes

Row = tuple[int, datetime, float]
"""Series id, instant, value."""
Key = tuple[int, datetime]


async def raw_rows(connection: AsyncConnection) -> list[Row]:
    rows = await connection.execute(text("SELECT series_id, observed_at, value FROM records"))
    return [(series_id, at, value) for series_id, at, value in rows]


async def compare(connection: AsyncConnection, *, and_dropped: Iterable[Row] = ()) -> None:
    """Every tier equals the raw rows: counts, extremes and bins exactly, sums within rounding.

    Args:
        connection: with nothing uncommitted.
        and_dropped: rows that rollups still answer for, although retention has dropped them.
    """
    series = await connection.execute(text("SELECT id, origin FROM series"))
    origins: dict[int, float] = {series_id: origin for series_id, origin in series}  # noqa: C416 - rows, not pairs
    rows = [*await raw_rows(connection), *and_dropped]
    for tier in TIERS:
        expected: dict[Key, list[float]] = {}
        for series_id, at, value in rows:
            expected.setdefault((series_id, tier.bucket_of(at)), []).append(value)
        numbers = await _rows(connection, tier.table, "`count`, total, total_squares, minimum, maximum")
        assert numbers.keys() == expected.keys(), tier
        for key, (count, total, squares, low, high) in numbers.items():
            values = expected[key]
            assert (count, low, high) == (len(values), min(values), max(values)), (tier, key)
            apart = [(value - origins[key[0]]) ** 2 for value in values]
            assert math.isclose(squares, math.fsum(apart), rel_tol=1e-9), (tier, key)
            size = math.fsum(abs(value) for value in values)
            assert abs(total - math.fsum(values)) <= 1e-9 * size, (tier, key)
        await _compare_sketches(connection, tier, expected)


async def _compare_sketches(connection: AsyncConnection, tier: Tier, expected: dict[Key, list[float]]) -> None:
    stored = await _rows(connection, tier.sketches, "bins")
    assert stored.keys() == expected.keys(), tier
    for key, (bins,) in stored.items():
        found: Counter[int] = Counter()
        for code, count in np.frombuffer(bins, ENTRY).tolist():
            found[code] += count
        assert found == Counter(codes(np.array(expected[key])).tolist()), (tier, key)


async def _rows(connection: AsyncConnection, table: str, columns: str) -> dict[Key, tuple[Any, ...]]:
    rows = await connection.execute(text(f"SELECT series_id, bucket, {columns} FROM {table}"))
    return {(series_id, bucket): tuple(rest) for series_id, bucket, *rest in rows}
