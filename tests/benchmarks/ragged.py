"""Random ranges of time, none of them on a boundary."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from large_store.readings import DAY, SECOND, Readings

from telltale_shared.instants import instant

MINUTE = 60 * SECOND


@dataclass(frozen=True)
class Ragged:
    """A range, in µs since 1970-01-01 UTC."""

    start: int
    end: int

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """As naive UTC."""
        return instant(self.start), instant(self.end)

    def params(self) -> dict[str, str]:
        """As query parameters."""
        start, end = self.bounds
        return {"from": f"{start.isoformat()}Z", "to": f"{end.isoformat()}Z"}


def of_any_length(readings: Readings, count: int, seed: int) -> Iterator[Ragged]:
    """From a minute to all there is, short ones as likely as long ones."""
    draw = random.Random(seed)
    whole = readings.ends - readings.begins
    for _ in range(count):
        yield _placed(readings, draw, math.exp(draw.uniform(math.log(MINUTE), math.log(whole))))


def of_days(readings: Readings, count: int, seed: int) -> Iterator[Ragged]:
    """From a day to all there is; from half of it where that is less than a day."""
    draw = random.Random(seed)
    whole = readings.ends - readings.begins
    for _ in range(count):
        yield _placed(readings, draw, draw.uniform(DAY if has_days(readings) else whole / 2, whole))


def has_days(readings: Readings) -> bool:
    """Whether the store is longer than a day."""
    return readings.ends - readings.begins > DAY


def _placed(readings: Readings, draw: random.Random, length: float) -> Ragged:
    start = draw.uniform(readings.begins, readings.ends - length)
    return Ragged(int(start), int(start + length))
