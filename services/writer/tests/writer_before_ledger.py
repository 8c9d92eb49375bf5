"""How the writer before ``2026_11_24_ledger`` settled numbers, a reading at a time: its statements, on its schema.

It knew neither missing numbers in a column nor any figure of a day but what was settled: what it leaves out, later
writers make up for (``store/ledger_upkeep``). Whole services of an earlier version are in ``tests/test_upgrade.py``.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.instants import instant

SCHEMA_VERSION = "2026_11_24_sensitivity"

_INSERT_PRODUCER = text(
    "INSERT IGNORE INTO producers (producer, service, first_seen_at, seen_at) VALUES (:producer, 'test', :now, :now)"
)
_LOCK = text("SELECT id, watermark FROM producers WHERE producer = :producer FOR UPDATE")
_SERIES = text(
    "INSERT IGNORE INTO series (source, category, unit, origin, created_at) VALUES ('a', 'x', NULL, 0, :now)"
)
_RECORD = text(
    "INSERT INTO records (series_id, observed_at, value) SELECT id, :at, :value FROM series WHERE source = 'a'"
)
_LATEST = text("""
INSERT INTO series_latest (series_id, observed_at, value) SELECT id, :at, :value FROM series
ON DUPLICATE KEY UPDATE observed_at = VALUES(observed_at), value = VALUES(value)
""")
_SETTLE = text("""
UPDATE producers SET watermark = :watermark, proven = GREATEST(proven, :proven),
  published = GREATEST(published, :published), confirmed = GREATEST(confirmed, :proven), stored = stored + :stored,
  repeated = repeated + 0, dead = dead + 0, redelivered = redelivered + 0, seen_at = :now
WHERE id = :id
""")
_SETTLE_DAY = text("""
INSERT INTO producer_days (producer_id, day, stored, repeated, dead) VALUES (:id, :day, :stored, 0, 0)
ON DUPLICATE KEY UPDATE stored = stored + VALUES(stored), repeated = repeated + VALUES(repeated),
  dead = dead + VALUES(dead)
""")
_RUN = text("""
INSERT INTO deliveries (producer_id, first, last) VALUES (:id, :first, :last)
ON DUPLICATE KEY UPDATE last = VALUES(last)
""")


@dataclass
class WriterBefore:
    """Stores deliveries of one reading each, as far as the next one is the next number."""

    engine: AsyncEngine
    producer: str = "before"
    number: int = 0

    async def store(self, at: int) -> None:
        """Store the next reading, measured ``at`` (µs since 1970-01-01 UTC)."""
        number = self.number + 1
        now = instant(at)
        async with self.engine.begin() as connection:
            await connection.execute(_INSERT_PRODUCER, {"producer": self.producer, "now": now})
            row = (await connection.execute(_LOCK, {"producer": self.producer})).one()
            assert row.watermark == number - 1
            await connection.execute(_SERIES, {"now": now})
            await connection.execute(_RECORD, {"at": now, "value": float(number)})
            await connection.execute(_LATEST, {"at": now, "value": float(number)})
            settled = {"id": row.id, "watermark": number, "proven": number - 1, "published": number, "stored": 1}
            await connection.execute(_SETTLE, {**settled, "now": now})
            await connection.execute(_SETTLE_DAY, {"id": row.id, "day": now.date(), "stored": 1})
        self.number = number

    async def lose(self, numbers: int, at: int) -> None:
        """Settle a number behind a gap of ``numbers``, which are proven to be missing; under a name of its own."""
        now = instant(at)
        async with self.engine.begin() as connection:
            await connection.execute(_INSERT_PRODUCER, {"producer": "lossy", "now": now})
            row = (await connection.execute(_LOCK, {"producer": "lossy"})).one()
            settled = {"id": row.id, "watermark": 0, "proven": numbers, "published": numbers + 1, "stored": 1}
            await connection.execute(_SETTLE, {**settled, "now": now})
            await connection.execute(_SETTLE_DAY, {"id": row.id, "day": now.date(), "stored": 1})
            await connection.execute(_RUN, {"id": row.id, "first": numbers + 1, "last": numbers + 1})
