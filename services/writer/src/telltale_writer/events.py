"""Anomalies, heartbeats and log events: from the queue ``events.store`` to their tables."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.broker import Delivery, Subscription, SubscriptionClosed
from telltale_shared.contracts import AnomalyDetected, Heartbeat, LogEvent, MalformedMessage, ProducerState, decode
from telltale_shared.contracts.codec import Message
from telltale_shared.database import DATABASE_ERRORS, error_number, in_transaction
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.store.events import store_anomalies, store_heartbeats, store_logs
from telltale_shared.store.ledger import report_producers
from telltale_shared.system_events import now_us
from telltale_shared.validation import Rejected, check_series, check_value, is_name
from telltale_writer.decode import NUMBER_MAX, PRODUCER_MAX
from telltale_writer.ingest import ATTEMPT_SECONDS, DATA_ERRORS

log = structlog.get_logger("telltale.writer")

BATCH_MESSAGES = 500
BATCH_AGE = 0.2
RETRY_SECONDS = 2.0
INSTANT_MAX = 253_402_300_799_999_999
"""The last microsecond of the year 9999, µs since 1970-01-01 UTC."""


class EventConsumer:
    """Stores the messages of ``events.store``; each kind is idempotent, so a repeated message changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, subscription: Subscription) -> None:
        """Store what ``subscription`` delivers until it closes, then raise ``SubscriptionClosed``."""
        while True:
            batch = await _next_batch(subscription)
            await self._store(batch, subscription)
            await subscription.acknowledge_through(batch[-1].tag)

    async def _store(self, batch: Sequence[Delivery], subscription: Subscription) -> None:
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await store_events(self._engine, batch)
            except DATABASE_ERRORS as error:
                log.warning("events held", error=str(error)[:300])
                if subscription.closed:
                    raise SubscriptionClosed from error
                await asyncio.sleep(random.uniform(RETRY_SECONDS / 2, RETRY_SECONDS))
                # The answer to a COMMIT can be what was lost.
                batch = [replace(delivery, redelivered=True) for delivery in batch]
            else:
                return


async def store_events(engine: AsyncEngine, batch: Sequence[Delivery]) -> None:
    """Store ``batch`` in one transaction; what nobody can store becomes a dead letter.

    Raises:
        DBAPIError, OSError, TimeoutError: the database is away; try again.
    """
    events = _Events(batch)
    try:
        await in_transaction(engine, events.store)
    except DBAPIError as error:
        if error_number(error) not in DATA_ERRORS:
            raise
        if len(batch) > 1:
            for delivery in batch:
                await store_events(engine, [delivery])
            return
        log.warning("event refused by the database", error=str(error.orig)[:300])
        letter = _letter(batch[0], Rejected("refused_by_database", str(error.orig))).after_an_attempt()
        await in_transaction(engine, lambda connection: bury(connection, [letter], now=now_us()))


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
            self._letters.append(_letter(delivery, Rejected("malformed", str(error))))
            return
        rejected = _check(message)
        if rejected is not None:
            self._letters.append(_letter(delivery, rejected))
        elif isinstance(message, AnomalyDetected):
            self._anomalies.append(message)
        elif isinstance(message, Heartbeat):
            self._heartbeats.append(message)
        elif isinstance(message, LogEvent):
            self._logs.append(message)

    async def store(self, connection: AsyncConnection) -> None:
        letters = self._letters
        self._letters = [letter.after_an_attempt() for letter in letters]
        await report_producers(
            connection, [(beat.service, state) for beat in self._heartbeats for state in beat.producers], now=self._now
        )
        await store_anomalies(connection, self._anomalies, now=self._now)
        await store_heartbeats(connection, self._heartbeats)
        await store_logs(connection, self._logs)
        await bury(connection, letters, now=self._now)


def _letter(delivery: Delivery, rejected: Rejected) -> DeadLetter:
    return DeadLetter(rejected.reason, rejected.detail, delivery.body, count=0, maybe_known=delivery.redelivered)


def _check(message: Message) -> Rejected | None:
    """What is wrong with an event, or None."""
    if isinstance(message, AnomalyDetected):
        return (
            check_series(message.source, message.category, message.unit)
            or check_value(message.value)
            or _check_numbers(INSTANT_MAX, observed_at=message.observed_at, detected_at=message.detected_at)
        )
    if isinstance(message, Heartbeat):
        return (
            _check_numbers(INSTANT_MAX, at=message.at, started_at=message.started_at)
            or _check_numbers(NUMBER_MAX, memory_bytes=message.memory_bytes)
            or next((rejected for state in message.producers if (rejected := _check_producer(state))), None)
        )
    if isinstance(message, LogEvent):
        return _check_numbers(INSTANT_MAX, at=message.at)
    return Rejected("unexpected", "readings do not belong among events")


def _check_producer(state: ProducerState) -> Rejected | None:
    if not is_name(state.producer, PRODUCER_MAX):
        return Rejected("bad_producer", f"producer must be 1 to {PRODUCER_MAX} printable characters")
    return _check_numbers(NUMBER_MAX, published=state.published, confirmed=state.confirmed, dropped=state.dropped)


def _check_numbers(largest: int, **numbers: int) -> Rejected | None:
    for name, number in numbers.items():
        if not 0 <= number <= largest:
            return Rejected("out_of_range", f"{name} must lie within 0 and {largest}")
    return None
