"""Anomalies, heartbeats and log events: from the queue ``events.store`` to their tables."""

import asyncio
import random
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.broker import Delivery, Subscription
from telltale_shared.contracts import AnomalyDetected, Heartbeat, LogEvent, MalformedMessage, decode
from telltale_shared.database import in_transaction
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.store.events import store_anomalies, store_heartbeats, store_logs
from telltale_shared.store.ledger import report_producers
from telltale_shared.system_events import now_us

log = structlog.get_logger("telltale.writer")

BATCH_MESSAGES = 500
BATCH_AGE = 0.2
RETRY_SECONDS = 2.0


class EventConsumer:
    """Stores the messages of ``events.store``; each kind is idempotent, so a repeated message changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, subscription: Subscription) -> None:
        """Store what ``subscription`` delivers until it closes, then raise ``SubscriptionClosed``."""
        while True:
            batch = await _next_batch(subscription)
            events = _Events(batch)
            await self._store(events)
            await subscription.acknowledge_through(batch[-1].tag)

    async def _store(self, events: "_Events") -> None:
        while True:
            try:
                await in_transaction(self._engine, events.store)
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("events held", error=str(error)[:300])
                await asyncio.sleep(random.uniform(RETRY_SECONDS / 2, RETRY_SECONDS))
            else:
                return


async def _next_batch(subscription: Subscription) -> list[Delivery]:
    batch = [await subscription.get()]
    await asyncio.sleep(BATCH_AGE)
    while len(batch) < BATCH_MESSAGES and (delivery := subscription.get_nowait()) is not None:
        batch.append(delivery)
    return batch


class _Events:
    """The messages of one batch, by kind."""

    def __init__(self, batch: Sequence[Delivery]) -> None:
        self._now = now_us()
        self._anomalies: list[AnomalyDetected] = []
        self._heartbeats: list[Heartbeat] = []
        self._logs: list[LogEvent] = []
        self._letters: list[DeadLetter] = []
        for delivery in batch:
            self._sort(delivery)

    def _sort(self, delivery: Delivery) -> None:
        try:
            message = decode(delivery.body)
        except MalformedMessage as error:
            self._letters.append(
                DeadLetter("malformed", str(error), delivery.body, count=0, maybe_known=delivery.redelivered)
            )
            return
        if isinstance(message, AnomalyDetected):
            self._anomalies.append(message)
        elif isinstance(message, Heartbeat):
            self._heartbeats.append(message)
        elif isinstance(message, LogEvent):
            self._logs.append(message)
        else:
            letter = DeadLetter(
                "unexpected",
                "readings do not belong among events",
                delivery.body,
                count=0,
                maybe_known=delivery.redelivered,
            )
            self._letters.append(letter)

    async def store(self, connection: AsyncConnection) -> None:
        await report_producers(
            connection, [(beat.service, state) for beat in self._heartbeats for state in beat.producers], now=self._now
        )
        await store_anomalies(connection, self._anomalies, now=self._now)
        await store_heartbeats(connection, self._heartbeats)
        await store_logs(connection, self._logs)
        await bury(connection, self._letters, now=self._now)
