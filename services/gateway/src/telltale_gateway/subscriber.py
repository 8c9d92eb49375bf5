"""The live stream from the broker into the hub."""

import asyncio
import time

import structlog

from telltale_gateway import metrics
from telltale_gateway.hub import Hub
from telltale_gateway.window import LiveMessage, position_of
from telltale_shared.broker import Link, StreamEvent, follow
from telltale_shared.contracts import (
    AlertChanged,
    ExpectedRanges,
    Heartbeat,
    LogEvent,
    MalformedMessage,
    ReadingBatch,
    Sensitivities,
    decode,
    schema_of,
)
from telltale_shared.contracts.stream import LARGEST, Position
from telltale_shared.system_events import now_us
from telltale_shared.topology import LIVE_STREAM

log = structlog.get_logger("telltale.gateway")

UP_TO_DATE = 2_000_000
"""A newest message younger than this, in µs, means that the past has been read."""
SILENCE = 0.3
"""Seconds without a message that mean the same."""
UNHURRIED = (Heartbeat, ExpectedRanges)
"""What goes along with the readings that follow. A round of its own would put those off."""
LONGEST_RIDE = 0.2
"""Seconds that it waits for such readings."""
SETTLE_LOOKS, SETTLE_PERIOD = 100, 0.02
"""How often, and with how many seconds in between, a subscription looks whether the past has been read."""


class Subscriber:
    """Follows the stream and tells the hub; :attr:`arrived` is set whenever there is something new to tell."""

    def __init__(self, link: Link, hub: Hub, *, history_seconds: int) -> None:
        self._link = link
        self._hub = hub
        self._start = f"{history_seconds}s"
        self._quiet_since = float("inf")
        self._settled = False
        self.arrived = asyncio.Event()

    async def run(self) -> None:
        """Follow for ever, at first from as far back as the window reaches, so that a restart loses no history."""
        await follow(self._link, LIVE_STREAM, self.take, start=self._start)

    async def take(self, event: StreamEvent) -> None:
        """Decode one message and publish it; what is not understood is counted, not shown."""
        self._quiet_since = time.monotonic()
        started = time.perf_counter()
        try:
            message = decode(event.body)
        except MalformedMessage as error:
            self._refuse(event, str(error))
            return
        finally:
            metrics.DECODE_SECONDS.inc(time.perf_counter() - started)
        if isinstance(message, LogEvent | Sensitivities):
            return
        if not _can_be_told(message):
            self._refuse(event, "columns of unequal length, an index without a series, or a number out of range")
            return
        metrics.MESSAGES.labels(schema_of(message)).inc()
        self._hub.publish(message, event.offset, now_us())
        metrics.WINDOW_READINGS.set(self._hub.readings_held)
        if isinstance(message, UNHURRIED):
            asyncio.get_running_loop().call_later(LONGEST_RIDE, self.arrived.set)
        else:
            self.arrived.set()

    def _refuse(self, event: StreamEvent, why: str) -> None:
        metrics.MALFORMED.inc()
        log.info("message of the live stream not understood", offset=event.offset, schema=event.schema, why=why)

    async def settle(self, after: Position | None) -> None:
        """Wait, though not for long, until the past has been read and the position ``after`` can be there.

        Without this a client that comes back right after a restart would be told of a gap that is about to be filled.
        """
        for _ in range(SETTLE_LOOKS):
            if self._is_settled(after):
                return
            await asyncio.sleep(SETTLE_PERIOD)

    def _is_settled(self, after: Position | None) -> bool:
        newest = self._hub.newest
        if after is not None and (newest is None or newest.offset < after.offset):
            return False
        if not self._settled and self._link.problem is None:
            young = newest is not None and newest.at is not None and newest.at > now_us() - UP_TO_DATE
            self._quiet_since = min(self._quiet_since, time.monotonic())
            self._settled = young or time.monotonic() - self._quiet_since > SILENCE
        return self._settled


def _can_be_told(message: LiveMessage) -> bool:
    """Whether the columns fit together and every whole number fits a frame, so that nothing behind has to ask."""
    position = position_of(message, 0)
    whole = [position.first, position.at or 0]
    if isinstance(message, ReadingBatch):
        if not len(message.index) == len(message.observed_at) == len(message.value):
            return False
        if not all(0 <= which < len(message.series) for which in _extremes(message.index)):
            return False
        whole += _extremes(message.observed_at)
    if isinstance(message, ExpectedRanges):
        if not len(message.series) == len(message.observed_at) == len(message.low) == len(message.high):
            return False
        whole += _extremes(message.observed_at)
    if isinstance(message, AlertChanged):
        whole += [message.since, message.until or 0]
    return all(abs(number) <= LARGEST for number in whole)


def _extremes(column: list[int]) -> tuple[int, ...]:
    return (min(column), max(column)) if column else ()
