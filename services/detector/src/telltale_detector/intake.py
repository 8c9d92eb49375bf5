"""From a delivery to the readings that this detector scores: its share of the series, and only what is valid."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from telltale_shared.contracts import ReadingBatch, SeriesKey
from telltale_shared.detection.model import Readings
from telltale_shared.detection.state import Table
from telltale_shared.validation import VALUE_MAX, TimeBounds, check_series

ELSEWHERE = -1
"""Row of a series that another shard watches."""
INVALID = -2
"""Row of a series that may not exist, or for which there is no room."""


def shard_of(source: str, category: str, shards: int) -> int:
    """The shard that watches a series; the same in every process and release."""
    return zlib.crc32(f"{source}\0{category}".encode(errors="replace")) % shards


@dataclass(frozen=True)
class Share:
    """What to score of one delivery."""

    readings: Readings
    refused: int
    """Readings of this shard that are not scored because they are invalid; the writer says why."""


class Intake:
    """Picks the valid readings of one shard.

    Args:
        table: gives series their rows.
        shard: which share of the series, from 0.
        shards: how many shares there are.
        clock: now, µs since 1970-01-01 UTC.
    """

    def __init__(self, table: Table, *, shard: int, shards: int, clock: Callable[[], int]) -> None:
        self._table = table
        self._shard = shard
        self._shards = shards
        self._clock = clock

    def share(self, batch: ReadingBatch) -> Share:
        """The readings of ``batch`` to be scored, in their order."""
        count = batch.count
        if not count == len(batch.index) == len(batch.observed_at):
            return Share(_none(), count)
        try:
            index = np.array(batch.index, dtype=np.int64)
            observed_at = np.array(batch.observed_at, dtype=np.int64)
        except OverflowError:
            return Share(_none(), count)
        value = np.array(batch.value, dtype=np.float64)
        known = np.array([*(self._row(key) for key in batch.series), INVALID], dtype=np.int64)
        inside = (index >= 0) & (index < len(batch.series))
        rows = known[np.where(inside, index, len(batch.series))]
        bounds = TimeBounds.around(self._clock())
        timely = (observed_at >= bounds.earliest) & (observed_at < bounds.latest)
        valid = (rows >= 0) & timely & np.isfinite(value) & (np.abs(value) <= VALUE_MAX)
        refused = int(np.count_nonzero(~valid & (rows != ELSEWHERE)))
        return Share(Readings(rows[valid], observed_at[valid], value[valid]), refused)

    def _row(self, key: SeriesKey) -> int:
        if shard_of(key.source, key.category, self._shards) != self._shard:
            return ELSEWHERE
        if check_series(key.source, key.category, key.unit) is not None:
            return INVALID
        row = self._table.row(key.source, key.category, key.unit)
        return INVALID if row is None else row


def _none() -> Readings:
    return Readings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
