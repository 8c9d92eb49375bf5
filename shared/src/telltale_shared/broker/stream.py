"""Following a RabbitMQ stream: every message from a position on, each exactly once per follower."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from telltale_shared.broker.connection import Link
from telltale_shared.broker.consumer import WATCHDOG_PERIOD, lost_consumer

log = structlog.get_logger("telltale.broker")

StreamOffset = int | str
"""An offset, or ``first``, ``last``, ``next``, or an age such as ``5m``."""

HANDLED_AT_ONCE = 100
"""Messages handled before one acknowledgement, which is what gives the broker leave to send more."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One message of the stream and where it stands."""

    offset: int
    body: bytes
    schema: str | None
    headers: Mapping[str, object]


async def follow(
    link: Link,
    stream: str,
    handle: Callable[[StreamEvent], Awaitable[None]],
    *,
    start: StreamOffset,
    prefetch: int = 1_000,
) -> None:
    """Call ``handle`` for each message of ``stream`` from ``start`` on, in order, for ever.

    After a lost connection it goes on behind the last message handled, never at ``start`` again.

    Args:
        link: the supervised connection; nothing else may run on it.
        stream: name of the stream.
        handle: takes one message; an exception from it ends the following.
        start: where to begin the first time.
        prefetch: messages that may be on their way at once.
    """
    resume_at = start

    async def session(connection: AbstractConnection) -> None:
        nonlocal resume_at
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.basic_qos(prefetch_count=prefetch)
        arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        consumer = await channel.basic_consume(stream, arrived.put, arguments={"x-stream-offset": resume_at})
        unacknowledged = 0
        while True:
            message = await _next(arrived, channel, consumer.consumer_tag)
            event = _event(message)
            # An offset names a chunk to the broker, which may deliver from the chunk's beginning.
            if not isinstance(resume_at, int) or event.offset >= resume_at:
                await handle(event)
                resume_at = event.offset + 1
            unacknowledged += 1
            if arrived.empty() or unacknowledged >= HANDLED_AT_ONCE:
                await channel.basic_ack(message.delivery_tag or 0, multiple=True)
                unacknowledged = 0

    await link.run(session)


async def _next(
    arrived: asyncio.Queue[DeliveredMessage], channel: AbstractChannel, tag: str | None
) -> DeliveredMessage:
    while True:
        try:
            async with asyncio.timeout(WATCHDOG_PERIOD):
                return await arrived.get()
        except TimeoutError:
            if lost_consumer(channel, tag):
                raise ConnectionError("the stream's consumer was cancelled by the broker") from None


def _event(message: DeliveredMessage) -> StreamEvent:
    properties = message.header.properties
    headers = properties.headers or {}
    offset = headers.get("x-stream-offset")
    if not isinstance(offset, int):
        raise TypeError(f"a stream delivery without an offset: {headers!r}")
    return StreamEvent(offset=offset, body=message.body, schema=properties.message_type, headers=headers)
