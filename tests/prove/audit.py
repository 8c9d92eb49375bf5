"""The product's own generators, judged after a whole run: what they numbered is stored, and nothing else is."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove.system import System

PATIENCE = 60.0
_PRODUCERS = text("""
SELECT producer, published, stored, repeated, dead, dropped, watermark FROM producers WHERE service LIKE 'generator%'
""")
_RECORDS = text("""
SELECT COUNT(*) FROM records JOIN series ON series.id = records.series_id WHERE series.source NOT LIKE 'prove-%'
""")


@dataclass(frozen=True)
class Audit:
    """Sums over all producers of the generators, and what contradicts the promise."""

    producers: int
    numbered: int
    stored: int
    dropped: int
    complaints: list[str]


async def audit(system: System, engine: AsyncEngine) -> Audit:
    """Let the generators hold still, wait until all of it is settled, and compare."""
    await system.pause_generators(True)
    rows = await _settled(engine)
    complaints = [
        f"{row.producer}: {row.published} numbered, settled up to {row.watermark}, {row.stored} stored,"
        f" {row.repeated} repeated, {row.dead} dead"
        for row in rows
        if not row.published == row.stored == row.watermark
    ]
    async with engine.connect() as connection:
        records = int((await connection.execute(_RECORDS)).scalar_one())
    stored = sum(int(row.stored) for row in rows)
    if records != stored:
        complaints.append(f"the ledger counts {stored} readings of the generators as stored, there are {records}")
    return Audit(
        len(rows), sum(int(row.published) for row in rows), records, sum(int(row.dropped) for row in rows), complaints
    )


async def _settled(engine: AsyncEngine) -> Sequence[Row[tuple[object, ...]]]:
    """The producers once all their numbers are settled and no more come, or as they are after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    before: Sequence[Row[tuple[object, ...]]] = []
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(_PRODUCERS)).all()
        if (rows == before and all(row.published == row.watermark for row in rows)) or time.monotonic() > deadline:
            return rows
        before = rows
        # Longer than heartbeats are apart, which may still tell of higher numbers.
        await asyncio.sleep(6)
