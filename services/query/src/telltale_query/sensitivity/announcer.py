"""Tells the detectors, over the live stream, how series are watched: at every change, and again every half minute.

Told again and again it reaches a detector that was away, and a copy of query that dies right after a change does no
harm.
"""

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import Sensitivities, SeriesLimits, encode, schema_of
from telltale_shared.detection.sensitivity import limits
from telltale_shared.store.sensitivities import read_all
from telltale_shared.system_events import now_us
from telltale_shared.topology import LIVE_SENSITIVITIES

log = structlog.get_logger("telltale.query")

PERIOD = 30.0


class SensitivityAnnouncer:
    """Publishes what the database says."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something was changed: tell it at once."""
        self._changed.set()

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._tell()
            except (SQLAlchemyError, OSError, PublishFailed) as error:
                log.info("sensitivities not told to the detectors", error=str(error)[:200])
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._changed.wait()

    async def _tell(self) -> None:
        # Before reading: what is changed meanwhile has a later message of its own.
        at = now_us()
        async with self._engine.connect() as connection:
            every = await read_all(connection)
        told = Sensitivities(
            at=at,
            series=[
                SeriesLimits(*name, {k.value: least for k, least in limits(own.threshold, own.lessons).items()})
                for name, own in every.items()
            ],
        )
        await self._publisher.publish(LIVE_SENSITIVITIES, encode(told), schema=schema_of(told), timeout=5.0)
