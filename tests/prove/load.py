"""A load with a publisher of its own: numbered readings at a steady rate, sent until the broker has confirmed them.

It shares no code with the product's publisher and keeps its own lists, so that it can testify.
"""

import asyncio
import math
import random
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from tests.prove.lists import Delivery, Lists, Sent
from tests.prove.messages import Spoil, encoded, good

TICK = 0.05
"""Seconds between two rounds: what falls due in one is noted with one sync of the disk."""
PUBLISH_SECONDS = 8.0
RETRY_FIRST, RETRY_LAST = 0.1, 2.0
IN_FLIGHT = 400
"""Deliveries that wait for their confirm at once; the others wait for their turn."""
SPIKES = 0.0005
"""Share of readings that no detector should overlook."""
EXCHANGE = "telltale"
STORE_KEY, LIVE_KEY = "store.readings.0", "live.readings"


class Broker:
    """One publishing connection, made again whenever it is needed and not there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def publish(self, key: str, body: bytes, headers: dict[str, str | int], *, persistent: bool) -> bool:
        """Whether the broker has confirmed the message."""
        mode = aio_pika.DeliveryMode.PERSISTENT if persistent else aio_pika.DeliveryMode.NOT_PERSISTENT
        message = aio_pika.Message(body, type="reading_batch/1", headers=dict(headers), delivery_mode=mode)
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                exchange = await self._open()
                await exchange.publish(message, key, mandatory=True)
        except (PublishError, DeliveryError):
            return False  # it answered, and said no
        except (*CONNECTION_EXCEPTIONS, TimeoutError):
            await self.close()
            return False
        except asyncio.CancelledError:
            # The client library cancels whoever waits on a connection that it gives up.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Drop the connection; the next publish makes another."""
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with suppress(*CONNECTION_EXCEPTIONS, TimeoutError):
                async with asyncio.timeout(1):
                    await connection.close()

    async def _open(self) -> AbstractExchange:
        async with self._lock:
            if self._exchange is None or self._connection is None or self._connection.is_closed:
                await self.close()
                self._connection = await aio_pika.connect(self._url, heartbeat=5)
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                self._exchange = await channel.get_exchange(EXCHANGE, ensure=False)
            return self._exchange


class Load:
    """One producer. ``rate`` is in readings a second; ``name`` is its producer and the source of its readings."""

    def __init__(
        self, broker: Broker, lists: Lists, *, name: str, rate: float, series: int, per_delivery: int, seed: int
    ) -> None:
        self.name = name
        self.paused = False
        self.spoils: Sequence[Spoil] = ()
        """What may be wrong with a delivery; while there is anything, ``spoiled_share`` of them are spoiled."""
        self.spoiled_share = 0.1
        self.copies = 1
        """How often every delivery is published; any more than once must change nothing."""
        self.shows_live = True
        """Whether every delivery goes to the live stream, too."""
        self._broker = broker
        self._lists = lists
        self._rate = rate
        self._series = series
        self._per_delivery = per_delivery
        self._rng = random.Random(seed)
        self._number = 0
        self._observed_at = 0
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._unconfirmed: dict[int, Delivery] = {}
        self._fresh_confirms: list[Delivery] = []
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def last_number(self) -> int:
        """How many readings have been numbered."""
        return self._number

    @property
    def unconfirmed(self) -> int:
        """How many deliveries still wait for their confirm."""
        return len(self._unconfirmed)

    async def run(self, done: asyncio.Event) -> None:
        """Publish until ``done``, then return when everything has been confirmed."""
        begun, owed = time.monotonic(), 0.0
        while not done.is_set():
            now = time.monotonic()
            owed += 0.0 if self.paused else self._rate * (now - begun)
            begun = now
            deliveries = []
            while owed >= self._per_delivery:
                deliveries.append(self._delivery())
                owed -= self._per_delivery
            await self._begin(deliveries)
            await asyncio.sleep(TICK)
        while self._sending or self._fresh_confirms:
            await self._note_confirms()
            await asyncio.sleep(TICK)

    async def _begin(self, deliveries: list[Delivery]) -> None:
        await self._note_confirms()
        if deliveries:
            await self._lists.attempt(deliveries)
        for delivery in deliveries:
            self._unconfirmed[delivery.first] = delivery
            self._begin_task(self._send(delivery))

    def _begin_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _note_confirms(self) -> None:
        if self._fresh_confirms:
            fresh, self._fresh_confirms = self._fresh_confirms, []
            await self._lists.confirm(fresh)

    async def _send(self, delivery: Delivery) -> None:
        headers: dict[str, str | int] = {
            "producer": self.name,
            "first": delivery.first,
            "count": len(delivery.readings),
        }
        async with self._room:
            if self.shows_live:
                self._begin_task(self._show(delivery.body, headers))
            delay = RETRY_FIRST
            for _ in range(self.copies):
                while not await self._broker.publish(STORE_KEY, delivery.body, headers, persistent=True):
                    await asyncio.sleep(self._rng.uniform(delay / 2, delay))
                    delay = min(2 * delay, RETRY_LAST)
            del self._unconfirmed[delivery.first]
            self._fresh_confirms.append(delivery)

    async def _show(self, body: bytes, headers: dict[str, str | int]) -> None:
        """Publish to the live stream, once: a retry would repeat it there."""
        await self._broker.publish(LIVE_KEY, body, headers, persistent=False)

    def _delivery(self) -> Delivery:
        readings = [self._reading() for _ in range(self._per_delivery)]
        confirmed = min(self._unconfirmed, default=readings[0].number) - 1
        now = time.time_ns() // 1_000
        message = good(readings, producer=self.name, source=self.name, confirmed=confirmed, published_at=now)
        if self.spoils and self._rng.random() < self.spoiled_share:
            return self._rng.choice(self.spoils)(message, readings, self._rng)
        return Delivery(tuple(readings), encoded(message))

    def _reading(self) -> Sent:
        self._number += 1
        self._observed_at = max(self._observed_at + 1, time.time_ns() // 1_000)
        value = 20 + 5 * math.sin(self._number / 500) + self._rng.gauss(0, 0.5)
        if self._rng.random() < SPIKES:
            value += 60
        return Sent(self._number, f"s{self._number % self._series}", self._observed_at, value)
