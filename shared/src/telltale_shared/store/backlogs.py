"""Whether readings wait for a writer: noted by the writers, asked by whoever can leave the database to them.

Only a writer knows it at once and for certain: what a queue tells leaves out what the writer holds already, and the
broker's own figures are some seconds old.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NOTE_SECONDS = 1.0
"""How often a writer notes it at most."""
HOLDS_SECONDS = 5.0
"""How long a note counts: longer than a batch may take while others are busy with the database, too."""

_NOTE = text("""
INSERT INTO backlogs (store_partition, seen_at) VALUES (:store_partition, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at)
""")
_RECENT = text("""
SELECT COUNT(*) FROM backlogs WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL :microseconds MICROSECOND
""")


async def note_backlog(connection: AsyncConnection, store_partition: int) -> None:
    """Note that more readings wait in a partition of the store queue than fit into one batch."""
    await connection.execute(_NOTE, {"store_partition": store_partition})


async def readings_wait(connection: AsyncConnection) -> bool:
    """Whether any writer has noted a backlog just now."""
    recent = await connection.execute(_RECENT, {"microseconds": int(HOLDS_SECONDS * 1e6)})
    return bool(recent.scalar_one())
