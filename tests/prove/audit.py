"""The product's own generators, judged after a whole run: what they numbered is stored, and nothing else is."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove.system import System

from telltale_shared.store.ledger import DAY_FIGURES

PATIENCE = 60.0
_PRODUCERS = text("""
SELECT producer, published, confirmed, stored, repeated, dead, missing, dropped, watermark FROM producers
WHERE service LIKE 'generator%'
""")
_RECORDS = text("""
SELECT COUNT(*) FROM records JOIN series ON series.id = records.series_id WHERE series.source NOT LIKE 'prove-%'
""")
_UNEVEN_DAYS = text(f"""
SELECT producers.producer FROM producers LEFT JOIN producer_days ON producer_id = producers.id GROUP BY producers.id
HAVING {" OR ".join(f"MAX(producers.{n}) <> COALESCE(SUM(producer_days.{n}), 0)" for n in DAY_FIGURES)}
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
        f"{row.producer}: {row.published} numbered, {row.confirmed} confirmed, settled up to {row.watermark},"
        f" {row.stored} stored, {row.repeated} repeated, {row.dead} dead, {row.missing} missing"
        for row in rows
        if not (_is_settled(row) and row.published == row.stored)
    ]
    async with engine.connect() as connection:
        records = int((await connection.execute(_RECORDS)).scalar_one())
        uneven = (await connection.execute(_UNEVEN_DAYS)).scalars().all()
    complaints += [f"{producer}: its days, summed up, are not its figures" for producer in uneven]
    stored = sum(int(row.stored) for row in rows)
    if records != stored:
        complaints.append(f"the ledger counts {stored} readings of the generators as stored, there are {records}")
    return Audit(
        len(rows), sum(int(row.published) for row in rows), records, sum(int(row.dropped) for row in rows), complaints
    )


async def _settled(engine: AsyncEngine) -> Sequence[Row[Any]]:
    """The producers once all their numbers are settled and no more come, or as they are after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    before: Sequence[Row[Any]] = []
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(_PRODUCERS)).all()
        if (rows == before and all(map(_is_settled, rows))) or time.monotonic() > deadline:
            return rows
        before = rows
        # Longer than heartbeats are apart, which may still tell of higher numbers.
        await asyncio.sleep(6)


def _is_settled(row: Row[Any]) -> bool:
    return bool(row.published == row.confirmed == row.watermark and row.missing == 0)
