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

PREFETCH = 1_000
"""Messages that may be on their way at once."""

HANDLED_AT_ONCE = 100
"""Messages handled before one acknowledgement, which is what gives the broker leave to send more.

Fewer are acknowledged when the watchdog looks: the broker ends a consumer that keeps one for half an hour."""


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
    """
    begin_at = start
    last = after

    async def session(connection: AbstractConnection) -> None:
        nonlocal begin_at, last
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.basic_qos(prefetch_count=PREFETCH)
        now = asyncio.get_running_loop().time
        async with _Arrivals(channel) as arrivals:
            # The last message handled is asked for again: only that shows whether this is the stream it came from,
            # since the broker waits silently for an offset that a new stream has not reached yet.
            await arrivals.consume(stream, begin_at if last is None else last.offset)
            patience = float("inf") if last is None else now() + REPLACED_AFTER
            while (message := await arrivals.next()) is not None or now() < patience:
                if message is None:
                    continue
                patience = float("inf")
                event = _event(message)
                if last is not None and _contradicts(event.place, last):
                    break
                # An offset names a chunk to the broker, which may deliver from the chunk's beginning.
                handled_up_to = last.offset if last is not None else begin_at - 1 if isinstance(begin_at, int) else -1
                if event.offset > handled_up_to:
                    await handle(event)
                    last = event.place
        log.warning("the stream was made anew", stream=stream)
        begin_at, last = "first", None
        raise ConnectionError("the stream was made anew")

    await link.run(session)


def _contradicts(found: Place, known: Place) -> bool:
    """Whether another message stands where ``known`` stood."""
    return found.offset == known.offset and found.checksum != known.checksum


def _event(message: DeliveredMessage) -> StreamEvent:
    properties = message.header.properties
    headers = properties.headers or {}
    offset = headers.get("x-stream-offset")
    if not isinstance(offset, int):
        raise TypeError(f"a stream delivery without an offset: {headers!r}")
    return StreamEvent(offset=offset, body=message.body, schema=properties.message_type, headers=headers)


class _Arrivals:
    """What one consumer gets over ``channel``. Use as an async context manager."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._consumer: str | None = None
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._newest_tag = 0
        self._unacknowledged = 0

    async def __aenter__(self) -> "_Arrivals":
        self._reminding = asyncio.create_task(self._remind())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reminding.cancel()

    async def _remind(self) -> None:
        # In the queue itself, because a time limit for each message would cost more than the message.
        while True:
            await asyncio.sleep(WATCHDOG_PERIOD)
            if self._arrived.empty():
                self._arrived.put_nowait(None)

    async def consume(self, stream: str, offset: StreamOffset) -> None:
        """Let messages come from ``offset`` on."""
        consumer = await self._channel.basic_consume(stream, self._arrived.put, arguments={"x-stream-offset": offset})
        self._consumer = consumer.consumer_tag

    async def next(self) -> DeliveredMessage | None:
        """The next message, or None when the watchdog looked meanwhile; the one before it counts as handled.

        Raises:
            ConnectionError: no more will come.
        """
        if self._unacknowledged >= HANDLED_AT_ONCE:
            await self._acknowledge()
        message = await self._arrived.get()
        if message is not None:
            self._newest_tag = message.delivery_tag or 0
            self._unacknowledged += 1
            return message
        if lost_consumer(self._channel, self._consumer):
            raise ConnectionError("the stream's consumer was cancelled by the broker")
        if self._unacknowledged:
            await self._acknowledge()
        return None

    async def _acknowledge(self) -> None:
        await self._channel.basic_ack(self._newest_tag, multiple=True)
        self._unacknowledged = 0
