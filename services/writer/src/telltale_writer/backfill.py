"""Sketches for rollups that were stored before there were sketches: filled in beside the ingest, a step at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import DATABASE_ERRORS
from telltale_shared.store.rebuild import rebuild

log = structlog.get_logger("telltale.writer")

LOCK_NAME = "telltale sketches"
SHARE = 0.1
"""Of the time at most this much is spent here, the rest belongs to the ingest."""
RETRY_SECONDS = 300.0

_TAKE = text("SELECT GET_LOCK(:name, 0)")
_GIVE_BACK = text("SELECT RELEASE_LOCK(:name)")


async def fill_in_sketches(engine: AsyncEngine) -> None:
    """Complete every sketch once; a failure is logged and tried again later. Of several writers one does it."""
    while True:
        try:
            async with _turn(engine) as is_ours:
                if is_ours:
                    await _fill_in(engine)
                    return
        except DATABASE_ERRORS as error:
            log.warning("sketches not filled in yet", error=str(error)[:200])
        await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def _turn(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether no other writer is at it; none will be until the block ends, or this connection."""
    async with engine.connect() as connection:
        is_ours = bool((await connection.execute(_TAKE, {"name": LOCK_NAME})).scalar())
        try:
            yield is_ours
        finally:
            if is_ours:
                with suppress(DBAPIError):  # a lost connection has given it back
                    await connection.execute(_GIVE_BACK, {"name": LOCK_NAME})


async def _fill_in(engine: AsyncEngine) -> None:
    filled, begun = 0, time.monotonic()
    async for step in rebuild(engine, only_missing_sketches=True):
        if not filled:
            log.info("filling in sketches", source=step.source, category=step.category, begin=step.begin.isoformat())
        filled += step.differences.total
        spent = time.monotonic() - begun
        await asyncio.sleep(spent * (1 - SHARE) / SHARE)
        begun = time.monotonic()
    if filled:
        log.info("sketches filled in", buckets=filled)
