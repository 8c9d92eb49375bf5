"""From readings to confirmed deliveries: number, spool, publish, and publish again until the broker has confirmed."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import structlog

from telltale_generator.deliveries import batch_of, cut, new_producer
from telltale_generator.sources import Reading
from telltale_generator.spool import Delivery, Spool, Spooled, SpooledProducer
from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import ProducerState, ReadingBatch, encode, schema_of
from telltale_shared.topology import LIVE_READINGS, store_readings

log = structlog.get_logger("telltale.generator.publisher")

IN_FLIGHT = 200
"""Deliveries that may wait for their confirm at once; the others wait in the spool, not in memory."""
LIVE_IN_FLIGHT = 100
PUBLISH_TIMEOUT = 10.0
LIVE_TIMEOUT = 2.0
RETRY_FIRST, RETRY_LAST = 0.1, 2.0
"""Seconds before a refused or unanswered delivery is sent again: doubled each time, with jitter."""
COMPLAIN_PERIOD = 60.0
"""Seconds between two warnings of the same trouble."""
DISK_RETRY = 1.0
GOODBYES = 6
"""Heartbeats that name a predecessor once all its deliveries are confirmed."""
PREDECESSORS_NAMED = 50
"""Predecessors in one heartbeat at most; the others follow when these are done."""
STALLED_AFTER = 5.0
"""Seconds without a confirm while deliveries wait, from which on the spool counts as degraded."""
FILLING_FROM = 0.5
"""Share of the spool's room from which on it counts as degraded."""

P = ParamSpec("P")
T = TypeVar("T")


class SpoolFull(Exception):
    """The readings were not taken and got no number: the spool has no room for them."""


@dataclass(frozen=True)
class Taken:
    """Readings that got their numbers and are safe in the spool."""

    first: int
    last: int
    confirms: "Sequence[asyncio.Future[None]]"
    """One per delivery, done when the broker has confirmed it."""

    async def confirmed_within(self, seconds: float) -> bool:
        """Wait for the broker's confirm of all of them; False when it takes longer."""
        _, missing = await asyncio.wait(self.confirms, timeout=seconds)
        return not missing


class ReadingPublisher:
    """One producer: gives readings their numbers and brings every delivery in the spool to the broker.

    A delivery is in the spool before it is published for the first time and leaves it after its confirm. Readings for
    which the spool has no room get no number, so the numbers have no holes.

    Args:
        broker: where to publish.
        spool: where deliveries wait; used from one thread of this publisher's own.
        service: the service's name in the ledger.
        partition: the store queue.
        max_bytes: room in the spool.
        clock: now, µs since 1970-01-01 UTC.
    """

    def __init__(
        self,
        broker: Publisher,
        spool: Spool,
        *,
        service: str,
        partition: int,
        max_bytes: int,
        clock: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._spool = spool
        self._service = service
        self._routing_key = store_readings(partition)
        self._max_bytes = max_bytes
        self._clock = clock
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self.producer = new_producer(service, clock())
        self.published = 0
        self.dropped = 0
        self.live_missed = 0
        self.retries = 0
        self._closed = False
        self._numbering = asyncio.Lock()
        # By first number, in the order of the numbers: all that were put and not yet confirmed.
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._in_flight = 0
        self._place = 0
        self._more = asyncio.Event()
        self._gone: list[Spooled] = []
        self._to_forget = asyncio.Event()
        self._live: set[asyncio.Task[None]] = set()
        self._predecessors: list[SpooledProducer] = spool.producers()
        self._goodbyes: dict[str, int] = {}
        self._progress = asyncio.get_running_loop().time()
        self._complain_from: dict[str, float] = {}

    @property
    def confirmed(self) -> int:
        """Every number up to this one is confirmed."""
        return next(iter(self._unconfirmed), self.published + 1) - 1

    @property
    def spool_bytes(self) -> int:
        """Bytes of the deliveries that wait in the spool."""
        return self._spool.bytes

    @property
    def spool_deliveries(self) -> int:
        """Deliveries that wait in the spool."""
        return self._spool.waiting

    @property
    def spool_problem(self) -> str | None:
        """Why readings may soon be dropped, or None."""
        waiting = self._spool.waiting
        share = self._spool.bytes / self._max_bytes
        idle = asyncio.get_running_loop().time() - self._progress
        if share >= FILLING_FROM:
            return f"{waiting} deliveries wait for the broker and fill {share:.0%} of the spool"
        if waiting and idle > STALLED_AFTER:
            return f"{waiting} deliveries wait for the broker, which confirmed none for {idle:.0f} s"
        return None

    async def accept(self, readings: Sequence[Reading]) -> Taken:
        """Number ``readings`` and put them into the spool, all or none; publishing goes on by itself.

        Raises:
            SpoolFull: there is no room, or the disk refused them.
        """
        # A caller cancelled while the disk works must not leave numbers behind that are spooled but not counted.
        return await asyncio.shield(asyncio.ensure_future(self._accept(readings)))

    async def offer(self, readings: Sequence[Reading]) -> None:
        """Like :meth:`accept`, but readings that find no room are dropped and counted."""
        try:
            await self.accept(readings)
        except SpoolFull as error:
            self.dropped += len(readings)
            self._complain("readings are dropped", error)
            try:
                await self._on_disk(self._spool.put, self.producer, (), self.dropped)
            except sqlite3.Error as disk_error:
                log.info("dropped readings not noted", error=str(disk_error))

    async def run(self) -> None:
        """Publish what is in the spool, predecessors' deliveries first, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forget_confirmed())
            while True:
                self._more.clear()
                room = IN_FLIGHT - self._in_flight
                batch = await self._on_disk(self._spool.after, self._place, room) if room else []
                for spooled in batch:
                    self._place = spooled.place
                    self._in_flight += 1
                    group.create_task(self._deliver(spooled))
                if not batch:
                    await self._more.wait()

    async def flush(self, seconds: float) -> bool:
        """Wait until everything of this producer is confirmed; False when that took too long."""
        try:
            async with asyncio.timeout(seconds):
                while self._unconfirmed:
                    await asyncio.wait(self._unconfirmed.values())
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Number no more readings: from now on the state says closed."""
        self._closed = True

    def close(self) -> None:
        """Let go of the spool. Call it when nothing else runs any more."""
        for task in self._live:
            task.cancel()
        self._disk.submit(self._spool.close)
        self._disk.shutdown()

    def states(self) -> list[ProducerState]:
        """How far this producer and its predecessors have come, for one heartbeat."""
        states = [
            ProducerState(
                producer=one.producer,
                published=one.published,
                confirmed=one.confirmed,
                dropped=one.dropped,
                closed=True,
            )
            for one in self._predecessors[:PREDECESSORS_NAMED]
        ]
        if self.published or self.dropped:
            states.append(
                ProducerState(
                    producer=self.producer,
                    published=self.published,
                    confirmed=self.confirmed,
                    dropped=self.dropped,
                    closed=self._closed,
                )
            )
        return states

    def note_reported(self, states: Sequence[ProducerState]) -> None:
        """The ledger will hear of ``states``: predecessors that have nothing else to say are named a few times more."""
        for state in states:
            if state.producer != self.producer and state.confirmed == state.published:
                self._goodbyes[state.producer] = self._goodbyes.get(state.producer, 0) + 1
                self._to_forget.set()

    async def _accept(self, readings: Sequence[Reading]) -> Taken:
        async with self._numbering:
            if self._closed:
                raise SpoolFull("the generator is stopping")
            first = self.published + 1
            deliveries = list(self._numbered(readings, first))
            if self._spool.bytes + sum(one.cost for one in deliveries) > self._max_bytes:
                raise SpoolFull(f"{self._spool.waiting} deliveries wait for the broker and the spool is full")
            loop = asyncio.get_running_loop()
            if not self._unconfirmed:
                self._progress = loop.time()
            # Before the disk has them: from then on they may be published, and confirmed, at any moment.
            confirms = {one.first: loop.create_future() for one in deliveries}
            self._unconfirmed.update(confirms)
            try:
                await self._on_disk(self._spool.put, self.producer, deliveries, self.dropped)
            except sqlite3.Error as error:
                for number in confirms:
                    del self._unconfirmed[number]
                raise SpoolFull(f"the disk refused them: {error}") from error
            self.published = deliveries[-1].last
            self._more.set()
        for delivery in deliveries:
            self._show_live(delivery)
        return Taken(first, deliveries[-1].last, list(confirms.values()))

    def _numbered(self, readings: Sequence[Reading], first: int) -> Iterator[Delivery]:
        for run in cut(readings):
            batch = batch_of(
                run,
                producer=self.producer,
                service=self._service,
                first=first,
                confirmed=self.confirmed,
                published_at=self._clock(),
            )
            yield Delivery(self.producer, first, batch.count, encode(batch))
            first += batch.count

    async def _publish(self, routing_key: str, delivery: Delivery, *, persistent: bool, seconds: float) -> None:
        await self._broker.publish(
            routing_key,
            delivery.body,
            schema=schema_of(ReadingBatch),
            headers={"producer": delivery.producer, "first": delivery.first, "count": delivery.count},
            persistent=persistent,
            timeout=seconds,
        )

    async def _deliver(self, spooled: Spooled) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                await self._publish(self._routing_key, spooled.delivery, persistent=True, seconds=PUBLISH_TIMEOUT)
                break
            except PublishFailed as error:
                self.retries += 1
                self._complain("deliveries are sent again", error)
            await asyncio.sleep(random.uniform(delay / 2, delay))
            delay = min(delay * 2, RETRY_LAST)
        self._in_flight -= 1
        self._progress = asyncio.get_running_loop().time()
        if spooled.delivery.producer == self.producer:
            self._unconfirmed.pop(spooled.delivery.first).set_result(None)
        self._gone.append(spooled)
        self._to_forget.set()
        self._more.set()

    def _complain(self, event: str, error: Exception) -> None:
        """Log a warning, but the same one only now and then: a full queue refuses hundreds of deliveries a minute."""
        now = asyncio.get_running_loop().time()
        if now >= self._complain_from.get(event, now):
            self._complain_from[event] = now + COMPLAIN_PERIOD
            log.warning(event, reason=str(error), waiting=self._spool.waiting, dropped=self.dropped)

    def _show_live(self, delivery: Delivery) -> None:
        """Publish a fresh delivery to the live stream once; a screen that misses it has the store to ask."""
        if len(self._live) >= LIVE_IN_FLIGHT:
            self.live_missed += 1
            return
        task = asyncio.create_task(self._publish_live(delivery))
        self._live.add(task)
        task.add_done_callback(self._live.discard)

    async def _publish_live(self, delivery: Delivery) -> None:
        try:
            await self._publish(LIVE_READINGS, delivery, persistent=False, seconds=LIVE_TIMEOUT)
        except PublishFailed as error:
            self.live_missed += 1
            log.debug("delivery not shown live", first=delivery.first, error=str(error))

    async def _forget_confirmed(self) -> None:
        """Remove from the spool what is confirmed, and predecessors that have been named often enough."""
        while True:
            await self._to_forget.wait()
            self._to_forget.clear()
            try:
                if self._gone:
                    gone = list(self._gone)
                    await self._on_disk(self._spool.remove, gone)
                    del self._gone[: len(gone)]
                if self._predecessors:
                    await self._see_predecessors_off()
            except sqlite3.Error as error:
                log.warning("the spool cannot be cleaned up", error=str(error))
                await asyncio.sleep(DISK_RETRY)
                self._to_forget.set()

    async def _see_predecessors_off(self) -> None:
        for producer in [name for name, heartbeats in self._goodbyes.items() if heartbeats >= GOODBYES]:
            await self._on_disk(self._spool.forget, producer)
            del self._goodbyes[producer]
        known = await self._on_disk(self._spool.producers)
        self._predecessors = [one for one in known if one.producer != self.producer]

    async def _on_disk(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs  # noqa: S101 - run_in_executor passes positional arguments only
        return await asyncio.get_running_loop().run_in_executor(self._disk, call, *args)
