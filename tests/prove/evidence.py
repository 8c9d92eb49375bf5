"""Looking into the database: how far a load has been settled, and all that the checker compares."""

import asyncio
import time
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove.checker import Account, Evidence

from telltale_shared.database import DATABASE_ERRORS

_ACCOUNT = text("SELECT published, stored, repeated, dead, missing, watermark FROM producers WHERE producer = :name")
_RECORDS = text("""
SELECT series.category, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', records.observed_at), records.value
FROM records JOIN series ON series.id = records.series_id WHERE series.source = :name
""")
_ANOMALIES = text("""
SELECT series.category, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', anomalies.observed_at), anomalies.value
FROM anomalies JOIN series ON series.id = anomalies.series_id WHERE series.source = :name
""")
_STORED = text("""
SELECT COUNT(*) FROM records JOIN series ON series.id = records.series_id WHERE series.source = :name
""")
_LETTERS = text("SELECT reason, number, `count` FROM dead_letters WHERE producer = :name")
_COUNTED = {
    tier: text(f"""
SELECT COALESCE(SUM(`count`), 0) FROM rollups_{tier} JOIN series ON series.id = series_id WHERE series.source = :name
""")
    for tier in ("minute", "hour", "day")
}
_NEWER = text("""
SELECT 1 FROM records JOIN series ON series.id = records.series_id
WHERE series.source = :name AND records.observed_at >= FROM_UNIXTIME(:second) LIMIT 1
""")
NOTHING = Account(published=0, stored=0, repeated=0, dead=0, missing=0, watermark=0)


async def account(engine: AsyncEngine, name: str) -> Account:
    """What the ledger says of the producer ``name``."""
    async with engine.connect() as connection:
        row = (await connection.execute(_ACCOUNT, {"name": name})).first()
    return Account(*map(int, row)) if row else NOTHING


async def stored_since(engine: AsyncEngine, name: str, instant: float) -> bool:
    """Whether a reading of ``name`` that was measured after ``instant`` (Unix seconds) is stored; False while away."""
    try:
        async with asyncio.timeout(3), engine.connect() as connection:
            return (await connection.execute(_NEWER, {"name": name, "second": instant})).first() is not None
    except DATABASE_ERRORS:
        return False


async def at_rest(engine: AsyncEngine, name: str, last: int, patience: float) -> Account:
    """Wait until every number up to ``last`` is settled, or nothing has moved for ``patience`` seconds."""
    seen, moved = NOTHING, time.monotonic()
    while seen.watermark < last and time.monotonic() - moved < patience:
        try:
            now = await account(engine, name)
        except DATABASE_ERRORS:
            now = seen
        if now != seen:
            seen, moved = now, time.monotonic()
        await asyncio.sleep(0.1)
    return seen


async def stored_at_rest(engine: AsyncEngine, source: str, enough: int, patience: float) -> None:
    """Wait until ``enough`` readings of ``source`` are stored, or nothing has moved for ``patience`` seconds."""
    seen, moved = 0, time.monotonic()
    while seen < enough and time.monotonic() - moved < patience:
        with suppress(*DATABASE_ERRORS):
            async with engine.connect() as connection:
                now = int((await connection.execute(_STORED, {"name": source})).scalar_one())
            if now != seen:
                seen, moved = now, time.monotonic()
        await asyncio.sleep(0.2)


async def collect(engine: AsyncEngine, source: str, producer: str | None, patience: float = 60.0) -> Evidence:
    """All that the database holds of the readings of ``source`` and of its ``producer``, at one moment."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return await _collect(engine, source, producer)
        except DATABASE_ERRORS:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(1)


async def _collect(engine: AsyncEngine, source: str, producer: str | None) -> Evidence:
    async with engine.connect() as connection:
        # One snapshot for all: what else is stored meanwhile must not make them differ.
        await connection.execution_options(isolation_level="REPEATABLE READ")
        records = (await connection.execute(_RECORDS, {"name": source})).all()
        rollups = {
            tier: int((await connection.execute(query, {"name": source})).scalar_one())
            for tier, query in _COUNTED.items()
        }
        letters = (await connection.execute(_LETTERS, {"name": producer})).all()
        anomalies = (await connection.execute(_ANOMALIES, {"name": source})).all()
    return Evidence(
        records=[(row[0], row[1], row[2]) for row in records],
        letters=[(row[0], row[1], row[2]) for row in letters],
        rollups=rollups,
        account=await account(engine, producer) if producer else None,
        anomalies=[(row[0], row[1], row[2]) for row in anomalies],
    )
