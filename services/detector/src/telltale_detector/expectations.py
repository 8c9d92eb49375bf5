"""Tells screens, once a second, in which range each series' newest reading was expected."""

import asyncio
from collections.abc import Callable

import numpy as np
import structlog

from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import ExpectedRanges, SeriesKey, encode, schema_of
from telltale_shared.detection.model import DETECTOR, Readings, Scores
from telltale_shared.detection.state import Columns, Table
from telltale_shared.detection.tuning import TUNING
from telltale_shared.topology import LIVE_EXPECTED

log = structlog.get_logger("telltale.detector")

PERIOD = 1.0
"""Seconds between two messages."""
SERIES_AT_ONCE = 100
"""Series in one message at most; of more, each has its turn, so that a thousand cost a gateway no more than these."""
TIMEOUT = 5.0


class Expectations:
    """The newest expected range of each series of ``table`` that was not told yet."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._columns = np.zeros((3, 0))
        """Per series: time of the reading, lowest and highest; a NaN range was told, or never known."""
        self._turn = 0
        """Number of the series that is told first."""

    def take(self, readings: Readings, scores: Scores) -> None:
        """Note what was expected of ``readings``; nothing of a series that is still being learned."""
        more = len(self._table) - self._columns.shape[1]
        if more > 0:
            self._columns = np.pad(self._columns, ((0, 0), (0, more)), constant_values=np.nan)
        judged = Columns(self._table.block).count[readings.rows] >= TUNING.warm_up
        usable = judged & np.isfinite(scores.expected_low) & np.isfinite(scores.expected_high)
        # Of several readings of a series numpy keeps the last, which is the newest.
        self._columns[:, readings.rows[usable]] = (
            readings.observed_at[usable],
            scores.expected_low[usable],
            scores.expected_high[usable],
        )

    def message(self, now: int) -> ExpectedRanges | None:
        """What is to be told at ``now`` (µs since 1970-01-01 UTC), which then counts as told; None if nothing is."""
        rows = np.flatnonzero(np.isfinite(self._columns[1]))
        if not rows.size:
            return None
        if rows.size > SERIES_AT_ONCE:
            rows = np.roll(rows, -int(np.searchsorted(rows, self._turn)))[:SERIES_AT_ONCE]
            self._turn = int(rows[-1]) + 1
        observed_at, low, high = self._columns[:, rows].copy()
        self._columns[1:, rows] = np.nan
        series = [self._table.series[row] for row in rows.tolist()]
        return ExpectedRanges(
            detector=DETECTOR,
            at=now,
            series=[SeriesKey(one.source, one.category, one.unit) for one in series],
            observed_at=observed_at.astype(np.int64).tolist(),
            low=[round_to_six(one) for one in low.tolist()],
            high=[round_to_six(one) for one in high.tolist()],
        )

    async def run(self, publisher: Publisher, clock: Callable[[], int]) -> None:
        """Publish until cancelled. Nothing is tried again: the next second brings newer ranges."""
        while True:
            await asyncio.sleep(PERIOD)
            message = self.message(clock())
            if message is None:
                continue
            try:
                await publisher.publish(LIVE_EXPECTED, encode(message), schema=schema_of(message), timeout=TIMEOUT)
            except PublishFailed as error:
                log.info("expected ranges not told", error=str(error))


def round_to_six(value: float) -> float:
    """Six digits are more than a screen shows, and half of what a float takes on the wire."""
    return float(f"{value:.6g}")
