"""Publishes anomalies: confirmed and as often as it takes for the database, once for the screens."""

import asyncio
from contextlib import suppress

import structlog

from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import AnomalyDetected, encode, schema_of
from telltale_shared.topology import LIVE_ANOMALY, STORE_EVENTS

log = structlog.get_logger("telltale.detector")

HELD_MAX = 1_000
"""Anomalies that may wait for the database's queue; then scoring waits."""
LIVE_TIMEOUT = 5.0
RETRY_FIRST, RETRY_LAST = 0.2, 5.0
"""Seconds between attempts."""


class Announcer:
    """Two independent ways out, so that a full store queue does not hold up the screens."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._store: asyncio.Queue[AnomalyDetected] = asyncio.Queue()
        self._live: asyncio.Queue[AnomalyDetected] = asyncio.Queue(HELD_MAX)
        self._changed = asyncio.Condition()
        self.told = 0
        """Anomalies handed over so far."""
        self.confirmed = 0
        """How many of them the broker has confirmed for the database."""

    @property
    def waiting(self) -> int:
        """Anomalies that are not confirmed yet."""
        return self.told - self.confirmed

    @property
    def full(self) -> bool:
        """Whether scoring has to wait."""
        return self.waiting >= HELD_MAX

    def tell(self, anomaly: AnomalyDetected) -> None:
        """Takes ``anomaly``. Never waits, so that scoring and telling cannot be torn apart; see :meth:`room`."""
        self.told += 1
        self._store.put_nowait(anomaly)
        # Screens show what is fresh: when they are that far behind, the database has the rest.
        with suppress(asyncio.QueueFull):
            self._live.put_nowait(anomaly)

    async def room(self) -> None:
        """Returns once fewer than ``HELD_MAX`` anomalies wait."""
        await self.settled(self.told - HELD_MAX + 1)

    async def settled(self, told: int) -> None:
        """Returns once the first ``told`` anomalies are confirmed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.confirmed >= told)

    async def run(self) -> None:
        """Publishes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish_to_store(), name="anomalies to store")
            group.create_task(self._publish_live(), name="anomalies live")

    async def _publish_to_store(self) -> None:
        while True:
            await self._confirm(await self._store.get())
            async with self._changed:
                self.confirmed += 1
                self._changed.notify_all()

    async def _confirm(self, anomaly: AnomalyDetected) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                await self._publisher.publish(STORE_EVENTS, encode(anomaly), schema=schema_of(anomaly))
            except PublishFailed as error:
                log.info("anomaly not confirmed yet", waiting=self.waiting, error=str(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, RETRY_LAST)
            else:
                return

    async def _publish_live(self) -> None:
        while True:
            anomaly = await self._live.get()
            try:
                await self._publisher.publish(
                    LIVE_ANOMALY, encode(anomaly), schema=schema_of(anomaly), timeout=LIVE_TIMEOUT
                )
            except PublishFailed as error:
                log.info("anomaly not shown live", error=str(error))
