"""Following a RabbitMQ stream: every message from a position on, each exactly once per follower."""

import asyncio
import zlib
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

REPLACED_AFTER = 5.0
"""Seconds of silence after which a stream that should repeat the last message handled counts as another one."""

HANDLED_AT_ONCE = 100
"""Messages handled before one acknowledgement, which is what gives the broker leave to send more."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One message of the stream and where it stands."""

    offset: int
    body: bytes
    schema: str | None
    headers: Mapping[str, object]

    @property
    def place(self) -> "Place":
        """How to find this message again."""
        return Place(self.offset, zlib.crc32(self.body))


@dataclass(frozen=True, slots=True)
class Place:
    """A message of a stream as one process tells another: where it stood, and how to know it again."""

    offset: int
    checksum: int
    """CRC-32 of its body. Another message at the same offset means another stream of the same name."""


async def follow(
    link: Link,
    stream: str,
    handle: Callable[[StreamEvent], Awaitable[None]],
    *,
    start: StreamOffset,
    after: Place | None = None,
    prefetch: int = 1_000,
) -> None:
    """Call ``handle`` for each message of ``stream`` from ``start`` on, in order, for ever.

    After a lost connection it goes on behind the last message handled, never at ``start`` again. When the stream was
    deleted and made anew meanwhile, it goes on at the beginning of the new one, whose offsets are smaller.

    Args:
        link: the supervised connection; nothing else may run on it.
        stream: name of the stream.
        handle: takes one message; an exception from it ends the following.
        start: where to begin the first time.
        after: the last message that an earlier process has handled; takes the place of ``start``. When it is not in the
            stream any more, the oldest that is there comes first, with a larger offset than the next.
        prefetch: messages that may be on their way at once.
    """
    begin_at = start
    last = after

    async def session(connection: AbstractConnection) -> None:
        nonlocal begin_at, last
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.basic_qos(prefetch_count=prefetch)
        arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        # The last message handled is asked for again: only that shows whether this is the stream it came from, since
        # the broker waits silently for an offset that a new stream has not reached yet.
        offset = begin_at if last is None else last.offset
        consumer = await channel.basic_consume(stream, arrived.put, arguments={"x-stream-offset": offset})
        message = await _next(arrived, channel, consumer.consumer_tag, within=None if last is None else REPLACED_AFTER)
        unacknowledged = 0
        while message is not None:
            event = _event(message)
            if last is not None and _contradicts(event.place, last):
                break
            # An offset names a chunk to the broker, which may deliver from the chunk's beginning.
            handled_up_to = last.offset if last is not None else begin_at - 1 if isinstance(begin_at, int) else -1
            if event.offset > handled_up_to:
                await handle(event)
                last = event.place
            unacknowledged += 1
            if arrived.empty() or unacknowledged >= HANDLED_AT_ONCE:
                await channel.basic_ack(message.delivery_tag or 0, multiple=True)
                unacknowledged = 0
            message = await _next(arrived, channel, consumer.consumer_tag, within=None)
        log.warning("the stream was made anew", stream=stream)
        begin_at, last = "first", None
        raise ConnectionError("the stream was made anew")

    await link.run(session)


def _contradicts(found: Place, known: Place) -> bool:
    """Whether another message stands where ``known`` stood."""
    return found.offset == known.offset and found.checksum != known.checksum


async def _next(
    arrived: asyncio.Queue[DeliveredMessage], channel: AbstractChannel, tag: str | None, *, within: float | None
) -> DeliveredMessage | None:
    """The next message, or None when there is none ``within`` so many seconds."""
    deadline = None if within is None else asyncio.get_running_loop().time() + within
    while deadline is None or asyncio.get_running_loop().time() < deadline:
        try:
            async with asyncio.timeout(WATCHDOG_PERIOD):
                return await arrived.get()
        except TimeoutError:
            if lost_consumer(channel, tag):
                raise ConnectionError("the stream's consumer was cancelled by the broker") from None
    return None


def _event(message: DeliveredMessage) -> StreamEvent:
    properties = message.header.properties
    headers = properties.headers or {}
    offset = headers.get("x-stream-offset")
    if not isinstance(offset, int):
        raise TypeError(f"a stream delivery without an offset: {headers!r}")
    return StreamEvent(offset=offset, body=message.body, schema=properties.message_type, headers=headers)
