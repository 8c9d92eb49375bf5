"""Horizons: of rows older than that, retention has dropped some, and only rollups answer."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ADVANCE = text("""
INSERT INTO horizons (table_name, rows_from) VALUES (:table, :rows_from)
ON DUPLICATE KEY UPDATE rows_from = GREATEST(rows_from, VALUES(rows_from))
""")
# The subquery finds nothing; it is there for the lock on the table's structure that every statement takes on what it
# names and keeps until the transaction ends: as long as that lasts, no partition can be dropped.
_HORIZON = text("""
SELECT rows_from FROM horizons WHERE table_name = 'records' AND NOT EXISTS (SELECT 1 FROM records WHERE FALSE)
""")


async def advance_horizon(connection: AsyncConnection, table: str, rows_from: datetime) -> None:
    """Note that ``table`` is whole from ``rows_from`` (naive UTC) on only; to be committed before any row goes."""
    await connection.execute(_ADVANCE, {"table": table, "rows_from": rows_from})


async def hold_horizon(connection: AsyncConnection) -> datetime | None:
    """Since when (naive UTC) records are whole, or None where retention has dropped none.

    It stays true until the caller's transaction ends: a partition is only dropped after that.
    """
    found: datetime | None = (await connection.execute(_HORIZON)).scalar()
    return found
