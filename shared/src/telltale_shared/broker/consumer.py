"""Consuming a queue: deliveries in order, acknowledged by the consumer once it has committed them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq import Channel
from aiormq.abc import AbstractChannel, DeliveredMessage

from telltale_shared.broker.connection import Link

log = structlog.get_logger("telltale.broker")

WATCHDOG_PERIOD = 1.0
"""Seconds between looks at whether the broker still counts us as a consumer."""


class SubscriptionClosed(Exception):
    """The channel under a subscription ended; what was not acknowledged will be delivered again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was delivered."""

    tag: int
    body: bytes
    schema: str | None
    headers: Mapping[str, object]
    redelivered: bool


class Subscription:
    """The deliveries of one queue over one channel. It dies with the channel; a new one follows."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the channel ended: what was taken and not acknowledged is delivered again, over another one."""
        return self._closed

    async def get(self) -> Delivery:
        """The next delivery, in the order of the queue.

        Raises:
            SubscriptionClosed: there will be no more on this channel.
        """
        while not self._waiting:
            if self._closed:
                raise SubscriptionClosed
            self._arrived.clear()
            await self._arrived.wait()
        if self._closed:
            raise SubscriptionClosed
        return self._waiting.popleft()

    def get_nowait(self) -> Delivery | None:
        """The next delivery if one has already arrived, else None."""
        return self._waiting.popleft() if self._waiting and not self._closed else None

    async def acknowledge_through(self, tag: int) -> None:
        """Acknowledge the delivery ``tag`` and every one before it.

        Raises:
            SubscriptionClosed: the channel is gone, so the broker will deliver them again.
        """
        try:
            await self._channel.basic_ack(tag, multiple=True)
        except CONNECTION_EXCEPTIONS as error:
            self.close()
            raise SubscriptionClosed from error

    def close(self) -> None:
        """No more deliveries: what has arrived but was not taken goes back to the queue with the channel."""
        self._closed = True
        self._waiting.clear()
        self._arrived.set()

    async def arrive(self, message: DeliveredMessage) -> None:
        """Called by the channel for every delivery."""
        properties = message.header.properties
        self._waiting.append(
            Delivery(
                tag=message.delivery_tag or 0,
                body=message.body,
                schema=properties.message_type,
                headers=properties.headers or {},
                redelivered=bool(message.redelivered),
            )
        )
        self._arrived.set()


async def consume(
    link: Link,
    queue: str,
    handle: Callable[[Subscription], Awaitable[None]],
    *,
    prefetch: int,
    watchdog: float = WATCHDOG_PERIOD,
) -> None:
    """Keep ``handle`` supplied with a live subscription to ``queue`` until it returns by itself.

    ``handle`` is never cancelled by a lost connection, so that a transaction in progress can end: its subscription
    raises :class:`SubscriptionClosed`, which it lets pass, and it is called again with a new one.

    Args:
        link: the supervised connection; nothing else may run on it.
        queue: name of the queue.
        handle: takes deliveries from the subscription and acknowledges them.
        prefetch: deliveries that may be unacknowledged at once.
        watchdog: seconds between checks that the broker has not cancelled the consumer.
    """

    async def session(connection: AbstractConnection) -> None:
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.basic_qos(prefetch_count=prefetch)
        subscription = Subscription(channel)
        consumer = await channel.basic_consume(queue, subscription.arrive)
        work = asyncio.ensure_future(handle(subscription))
        try:
            while not work.done():
                await asyncio.wait((work,), timeout=watchdog)
                if lost_consumer(channel, consumer.consumer_tag):
                    log.warning("consumer lost", queue=queue)
                    break
        finally:
            subscription.close()
            ended = await _ended_by_itself(work)
        if not ended:
            raise ConnectionError(f"the subscription to {queue} was lost")

    await link.run(session)


def lost_consumer(channel: AbstractChannel, tag: str | None) -> bool:
    """Whether ``channel`` ended, or the broker cancelled the consumer ``tag`` (a deleted queue does that)."""
    return channel.is_closed or (isinstance(channel, Channel) and tag not in channel.consumers)


async def _ended_by_itself(work: "asyncio.Future[None]") -> bool:
    """Wait for ``work`` to end; False when it ended because its subscription was closed."""
    try:
        await work
    except SubscriptionClosed:
        return False
    return True
