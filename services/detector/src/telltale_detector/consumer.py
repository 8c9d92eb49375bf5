"""Follows the live stream, scores every reading of this shard once, and keeps the place.

Delivery is at least once and its effect exactly once: after a crash the stream is read again from the checkpoint, the
model does the same with the same readings, and an anomaly that is published again has the same key.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog

from telltale_detector import checkpoint, metrics
from telltale_detector.announcer import Announcer
from telltale_detector.checkpoint import Checkpoint, Position
from telltale_detector.expectations import Expectations
from telltale_detector.intake import Intake
from telltale_detector.settings import Settings
from telltale_shared.broker import Link, StreamEvent, follow
from telltale_shared.contracts import AnomalyDetected, Heartbeat, MalformedMessage, ReadingBatch, Sensitivities, decode
from telltale_shared.detection.explain import Anomaly
from telltale_shared.detection.model import DETECTOR, VERSION, Model, Readings
from telltale_shared.detection.sensitivity import known_limits
from telltale_shared.detection.state import Table
from telltale_shared.topology import LIVE_STREAM

log = structlog.get_logger("telltale.detector")

SLICE = 1_000
"""Readings scored in one go; then other tasks have a turn. Cutting a delivery does not change what is found."""
SILENCE = 15.0
"""Seconds without a message over a working connection that are suspicious: our own heartbeat comes every 5 s."""
BOOKKEEPING = 1
"""Offsets without a message that the broker takes where a segment of the stream begins, to note its publishers."""


class _Suspicious(Exception):
    """The stream is silent although it should not be, or is not the one that the position belongs to."""


class Reconnected(Exception):
    """The connection was lost and is there again."""


class OneSessionLink(Link):
    """Tells of a lost connection once it is repaired, because the stream may be another one by then."""

    async def run(self, session: Callable[[Any], Awaitable[None]]) -> None:
        """Run ``session``.

        Raises:
            Reconnected: it would have to be run again.
        """
        begun = False

        async def once(connection: Any) -> None:
            nonlocal begun
            if begun:
                raise Reconnected
            begun = True
            await session(connection)

        await super().run(once)


class Consumer:
    """The detector's work. :meth:`run` follows the stream; :meth:`keep` checkpoints beside it."""

    def __init__(self, settings: Settings, link: Link, announcer: Announcer, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._link = link
        self._announcer = announcer
        self._clock = clock
        kept = checkpoint.load(settings.checkpoint_file, capacity_limit=settings.max_series)
        self.position = kept.position if kept else None
        """The last message handled; None before the first."""
        self._saved = self.position
        self.model = Model(kept.table if kept else Table(settings.max_series))
        self.expectations = Expectations(self.model.table)
        self._intake = Intake(self.model.table, shard=settings.shard, shards=settings.shards, clock=clock)
        self._limits_at = 0
        self._verified = False
        self._heard = time.monotonic()
        self._problem: str | None = None
        self._lag = 0.0
        self.scored = 0
        self.found = 0

    @property
    def problem(self) -> str | None:
        """Why the last checkpoint could not be written, or None."""
        return self._problem

    def figures(self) -> dict[str, float]:
        """Numbers for the status page."""
        return {
            "series": float(len(self.model.table)),
            "readings_scored": float(self.scored),
            "anomalies": float(self.found),
            "lag_seconds": round(self._lag, 3),
        }

    async def run(self) -> None:
        """Scores until cancelled."""
        while True:
            self._verified = False
            self._heard = time.monotonic()
            # Begins at the last message handled, not behind it, to see whether it is still there and still the same.
            start = "first" if self.position is None else self.position.offset
            following = asyncio.create_task(follow(self._link, LIVE_STREAM, self.handle, start=start))
            try:
                await self._watch(following)
            except Reconnected:
                log.info("reading on behind the last message handled", position=self.position)
            except _Suspicious as reason:
                if not self._verified and self.position is not None:
                    # What of it was scored before is later than nothing that the model knows, and so is ignored.
                    log.warning(
                        "the stream is not the one of the checkpoint: read from its beginning", reason=str(reason)
                    )
                    self.position = None
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError, Reconnected, _Suspicious):
                    await following

    async def _watch(self, following: asyncio.Task[None]) -> None:
        while True:
            done, _ = await asyncio.wait({following}, timeout=1.0)
            if done:
                await following
                return
            if self._link.problem is not None or self._announcer.full:
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard > SILENCE:
                raise _Suspicious(f"no message for {SILENCE:g} s")

    async def handle(self, event: StreamEvent) -> None:
        """Scores one message of the stream and moves the position behind it."""
        self._heard = time.monotonic()
        fingerprint = zlib.crc32(event.body)
        try:
            message = decode(event.body)
        except MalformedMessage as error:
            metrics.MALFORMED.inc()
            log.info("message not understood", offset=event.offset, schema=event.schema, reason=str(error))
            message = None
        published_at = _published_at(message)
        at = published_at or (self.position.at if self.position else self._clock())
        if self.position is not None:
            if event.offset <= self.position.offset:
                if (event.offset, fingerprint) != (self.position.offset, self.position.fingerprint):
                    raise _Suspicious(f"another message stands at offset {event.offset}")
                self._verified = True
                return
            missing = event.offset - self.position.offset - 1
            if missing > (BOOKKEEPING if self._verified else 0):
                self._tell_unscored(self.position, event.offset, at)
        self._verified = True
        if isinstance(message, ReadingBatch):
            await self._score(message)
        elif isinstance(message, Heartbeat):
            # The stream's own time, not the clock's: a second pass over the same messages finds the same.
            self._announce(self.model.flush(message.at))
        elif isinstance(message, Sensitivities) and message.at > self._limits_at:
            # Part of the stream like the readings, so that a second pass judges each reading by the same limits.
            self._limits_at = message.at
            own = {(one.source, one.category): known_limits(one.limits) for one in message.series}
            self.model.table.adopt(own)
        self.position = Position(event.offset, fingerprint, at)
        metrics.OFFSET.set(event.offset)
        if published_at is not None:
            self._lag = max(0.0, (self._clock() - published_at) / 1e6)
            metrics.LAG.set(self._lag)

    async def _score(self, batch: ReadingBatch) -> None:
        share = self._intake.share(batch)
        metrics.REFUSED.inc(share.refused)
        metrics.SERIES.set(len(self.model.table))
        every = share.readings
        for start in range(0, every.rows.size, SLICE):
            await self._announcer.room()
            part = slice(start, start + SLICE)
            readings = Readings(every.rows[part], every.observed_at[part], every.value[part])
            scores = self.model.score(readings)
            self.expectations.take(readings, scores)
            late = int(np.isnan(scores.score).sum())
            metrics.LATE.inc(late)
            metrics.SCORED.inc(readings.rows.size - late)
            self.scored += readings.rows.size - late
            self._announce(scores.anomalies)
            self._heard = time.monotonic()
            await asyncio.sleep(0)

    def _announce(self, anomalies: list[Anomaly]) -> None:
        for anomaly in anomalies:
            metrics.ANOMALIES.labels(anomaly.kind.value).inc()
            self.found += 1
            self._announcer.tell(
                AnomalyDetected(
                    source=anomaly.series.source,
                    category=anomaly.series.category,
                    unit=anomaly.series.unit,
                    observed_at=anomaly.observed_at,
                    value=anomaly.value,
                    score=anomaly.score,
                    expected_low=anomaly.expected_low,
                    expected_high=anomaly.expected_high,
                    kind=anomaly.kind.value,
                    detector=DETECTOR,
                    version=VERSION,
                    explanation=anomaly.explanation,
                    detected_at=self._clock(),
                )
            )

    def _tell_unscored(self, last: Position, offset: int, at: int) -> None:
        missing = offset - last.offset - 1
        metrics.UNSCORED.inc(missing)
        log.warning(
            "readings not scored: they left the stream before the detector came back",
            published_after=_iso(last.at),
            published_before=_iso(at),
            first_offset=last.offset + 1,
            last_offset=offset - 1,
            messages=missing,
        )

    async def keep(self) -> None:
        """Writes a checkpoint every few seconds until cancelled."""
        while True:
            await asyncio.sleep(self._settings.checkpoint_period)
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Writes model and position as they are now, once every anomaly found until now is confirmed."""
        position = self.position
        if position is None or position == self._saved:
            return
        told = self._announcer.told
        kept = Checkpoint(position, self.model.table.copy())
        await self._announcer.settled(told)
        try:
            size = await asyncio.to_thread(checkpoint.save, self._settings.checkpoint_file, kept)
        except OSError as error:
            self._problem = f"checkpoint not written: {error}"
            log.warning("checkpoint not written", file=str(self._settings.checkpoint_file), error=str(error))
            return
        self._problem = None
        self._saved = position
        metrics.CHECKPOINT_BYTES.set(size)


def _published_at(message: object) -> int | None:
    if isinstance(message, ReadingBatch):
        return message.published_at
    if isinstance(message, Heartbeat):
        return message.at
    return None


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds")
