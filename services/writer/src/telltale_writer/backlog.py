"""Telling others that readings wait, so that whoever can wait leaves the database to the writer."""

import asyncio
import time

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import DATABASE_ERRORS
from telltale_shared.store.backlogs import NOTE_SECONDS, note_backlog

log = structlog.get_logger("telltale.writer")

PATIENCE = 5.0
"""Seconds that noting may take."""


class Backlog:
    """Notes the backlog of one partition in the database, at most once a second."""

    def __init__(self, engine: AsyncEngine, store_partition: int) -> None:
        self._engine = engine
        self._store_partition = store_partition
        self._noted_at = float("-inf")

    async def note(self) -> None:
        """Readings wait. That it cannot be noted holds no reading up."""
        now = time.monotonic()
        if now - self._noted_at < NOTE_SECONDS:
            return
        self._noted_at = now
        try:
            async with asyncio.timeout(PATIENCE), self._engine.begin() as connection:
                await note_backlog(connection, self._store_partition)
        except DATABASE_ERRORS as error:
            log.info("backlog not noted", error=str(error)[:200])
