"""Aggregates of readings per series and span of time, computed for a whole batch at once; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_shared.store.records import Columns, Floats, Integers, datetimes


@dataclass(frozen=True)
class Level:
    """Aggregates in the order (series, time); each coarser level is grouped from a finer one."""

    series_id: Integers
    at: Integers
    """Where the span begins, µs since 1970-01-01 UTC."""
    count: Integers
    total: Floats
    squares: Floats
    """Sum of (value - origin of the series)²."""
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of_readings(cls, columns: Columns, origins: Floats) -> "Level":
        """Each reading by itself.

        Args:
            columns: in key order.
            origins: per reading the origin of its series.
        """
        value = columns.value
        return cls(
            columns.series_id, columns.observed_at, np.ones(len(value), np.int64), value, (value - origins) ** 2,
            value, value,
        )  # fmt: skip

    @classmethod
    def of_rows(cls, rows: Sequence[Any]) -> "Level":
        """From rows of (series id, µs, count, total, squares, low, high, …)."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 7
        ids, at, count = (np.array(column, np.int64) for column in columns[:3])
        total, squares, low, high = (np.array(column, np.float64) for column in columns[3:7])
        return cls(ids, at, count, total, squares, low, high)

    def take(self, selection: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Level":
        """The rows that ``selection`` names, by position or by mask."""
        return Level(
            self.series_id[selection], self.at[selection], self.count[selection], self.total[selection],
            self.squares[selection], self.low[selection], self.high[selection],
        )  # fmt: skip

    def grouped(self, width: int) -> tuple["Level", Integers]:
        """The level with spans of ``width`` µs, and for each row of this one its row there."""
        bucket = self.at - self.at % width
        begins = np.append(True, (np.diff(self.series_id) != 0) | (np.diff(bucket) != 0))
        if not len(self):
            return self, np.zeros(0, np.int64)
        starts = np.flatnonzero(begins)
        coarse = Level(
            self.series_id[starts],
            bucket[starts],
            np.add.reduceat(self.count, starts),
            np.add.reduceat(self.total, starts),
            np.add.reduceat(self.squares, starts),
            np.minimum.reduceat(self.low, starts),
            np.maximum.reduceat(self.high, starts),
        )
        return coarse, np.cumsum(begins) - 1

    def keys(self) -> list[tuple[int, datetime]]:
        """(series id, naive UTC begin) of each row."""
        return list(zip(self.series_id.tolist(), datetimes(self.at), strict=True))

    def numbers(self) -> list[tuple[Any, ...]]:
        """(count, total, squares, low, high) of each row."""
        columns = (self.count, self.total, self.squares, self.low, self.high)
        return list(zip(*(column.tolist() for column in columns), strict=True))
