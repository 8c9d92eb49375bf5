"""From the queue to the database: decode the next batch while this one commits; acknowledge after COMMIT."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from telltale_shared.broker import Delivery, Subscription, SubscriptionClosed
from telltale_shared.database import DATABASE_ERRORS, error_number
from telltale_shared.store.records import InsertRaced
from telltale_shared.system_events import now_us
from telltale_writer.batcher import Batch, Batcher
from telltale_writer.decode import DecodedDelivery
from telltale_writer.ingest import ATTEMPT_SECONDS, Ingest
from telltale_writer.metrics import BATCH_ROWS, BATCH_SECONDS, HELD, Rate

log = structlog.get_logger("telltale.writer")

BACKOFF_FIRST, BACKOFF_LAST = 0.1, 2.0

Decode = Callable[[Delivery], DecodedDelivery]
OnBacklog = Callable[[], Awaitable[None]]


class ReadingConsumer:
    """Takes the deliveries of one queue, in order, and stores each exactly once.

    Args:
        ingest: stores them.
        decode: what a delivery says.
        rate: told what is stored.
        batch_rows: readings in one transaction at most, but always at least one delivery.
        prefetch: deliveries that the broker lets be held unacknowledged. Half of them are a full batch: while it is
            stored, only the other half can come.
        batch_age: seconds that the first reading of a batch may wait for more.
        on_backlog: called before a batch is stored that had to wait, or that more wait behind.
    """

    def __init__(
        self,
        ingest: Ingest,
        decode: Decode,
        rate: Rate,
        *,
        batch_rows: int,
        prefetch: int,
        batch_age: float,
        on_backlog: OnBacklog | None = None,
    ) -> None:
        self._ingest = ingest
        self._decode = decode
        self._rate = rate
        self._on_backlog = on_backlog
        self._batch_rows = batch_rows
        self._batch_deliveries = max(1, prefetch // 2)
        self._batch_age = batch_age
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the current batch is held back, or None."""
        return self._problem

    async def run(self, subscription: Subscription) -> None:
        """Store what ``subscription`` delivers until it closes, then raise :class:`SubscriptionClosed`.

        A transaction that has begun is brought to its end first; a batch that is held goes back to the queue.
        """
        upcoming = asyncio.create_task(self._next_batch(subscription))
        try:
            while True:
                batch = await upcoming
                upcoming = asyncio.create_task(self._next_batch(subscription))
                if self._on_backlog is not None and batch.is_behind(time.monotonic()):
                    await self._on_backlog()
                await self._store(batch, subscription)
                await subscription.acknowledge_through(batch.deliveries[-1].tag)
        finally:
            upcoming.cancel()
            # Its own error is of no interest any more, and must not be reported as never retrieved.
            await asyncio.gather(upcoming, return_exceptions=True)

    async def _next_batch(self, subscription: Subscription) -> Batch:
        batcher = Batcher(self._batch_rows, self._batch_deliveries, self._batch_age)
        while (wait := batcher.wait(time.monotonic())) != 0.0:
            delivery = subscription.get_nowait() or await _within(subscription, wait)
            if delivery is not None:
                batcher.add(self._decode(delivery), time.monotonic())
                # The commit of the batch before goes on between two deliveries.
                await asyncio.sleep(0)
        return batcher.take()

    async def _store(self, batch: Batch, subscription: Subscription) -> None:
        """Store ``batch``, however long that takes: it is held, not handed back, while the database is away.

        Raises:
            SubscriptionClosed: the last attempt failed, and the broker delivers the batch again.
        """
        begun = time.monotonic()
        delay = BACKOFF_FIRST
        deliveries = batch.deliveries
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    counts = await self._ingest.store(deliveries, now=now_us())
            except (*DATABASE_ERRORS, InsertRaced) as error:
                self._problem = f"batch held: {type(error).__name__} {error_number(error) or ''}".strip()
                HELD.set(time.monotonic() - begun)
                if subscription.closed:
                    self._release()
                    raise SubscriptionClosed from error
                deliveries = [delivery.after_an_attempt() for delivery in deliveries]
                log.warning("batch held", deliveries=len(deliveries), error=str(error)[:300], retry_in=round(delay, 2))
                await asyncio.sleep(random.uniform(delay / 2, delay))
                delay = min(delay * 2, BACKOFF_LAST)
            else:
                break
        self._release()
        BATCH_SECONDS.observe(time.monotonic() - begun)
        BATCH_ROWS.observe(sum(len(delivery) for delivery in batch.deliveries))
        self._rate.count(counts)
        self._rate.ages.take(batch.deliveries, now_us())

    def _release(self) -> None:
        """There is no batch held any more."""
        self._problem = None
        HELD.set(0)


async def _within(subscription: Subscription, seconds: float | None) -> Delivery | None:
    """The next delivery, or None when none comes within ``seconds`` (None: wait for as long as it takes)."""
    try:
        async with asyncio.timeout(seconds):
            return await subscription.get()
    except TimeoutError:
        return None
