"""Buckets of time as a person in a named zone sees them: its hours, days, weeks from Monday on, and months.

Inside, all is naive UTC. A zone is a sequence of segments of constant offset; where a bucket is at most an hour wide,
it ends with its segment, so that the hour that clocks show twice is two buckets. Wider ones follow the clock on the
wall: a day has 23 or 25 hours where clocks change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, func, literal, literal_column, text

from telltale_query.cutting import Cut, cut, cut_each
from telltale_query.instants import FAR_FUTURE
from telltale_query.selection import Range
from telltale_shared.instants import EPOCH
from telltale_shared.store.tiers import TIERS, Tier

MINUTE, HOUR, DAY, WEEK = 60, 3_600, 86_400, 7 * 86_400
_MONDAY = 3 * DAY
"""1970-01-01 was a Thursday: so long after a Monday."""
_AS_TIMES = 8
"""SQLAlchemy's precedence of a multiplication."""
_SEGMENT_SLOTS = 1 << 40
"""More slots of a second than there are until the year 9999."""


@dataclass(frozen=True)
class Width:
    """How wide a bucket is: a number of seconds, or of months."""

    seconds: int = 0
    months: int = 0

    @property
    def label(self) -> str:
        """As ``30s``, ``1m``, ``6h``, ``1d``, ``1w`` or ``1mo``."""
        if self.months:
            return f"{self.months}mo"
        for seconds, letter in ((WEEK, "w"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
            if self.seconds % seconds == 0:
                return f"{self.seconds // seconds}{letter}"
        return f"{self.seconds}s"

    @property
    def least(self) -> timedelta:
        """How long the shortest one is, where clocks do not change."""
        return timedelta(seconds=self.seconds) or timedelta(days=28 * self.months)


@dataclass(frozen=True)
class Segment:
    """A time of constant offset."""

    start: datetime
    end: datetime
    offset: int
    """Seconds that clocks are ahead of UTC."""


def segments(zone: ZoneInfo, wanted: Range) -> list[Segment]:
    """The segments of ``zone`` that make up ``wanted``, in order."""
    changes = [
        at
        for year in range(wanted.start.year, wanted.end.year + 1)
        for at in _changes(zone, year)
        if wanted.start < at < wanted.end
    ]
    bounds = [wanted.start, *changes, wanted.end]
    return [Segment(start, end, _offset(zone, start)) for start, end in pairwise(bounds)]


@cache
def _changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """When (naive UTC) the offset of ``zone`` changes in a year. Found by looking at every day, then by bisection."""
    found = []
    before = datetime(year, 1, 1)  # noqa: DTZ001 - naive UTC
    while before.year == year and before < FAR_FUTURE:
        after = before + timedelta(days=1)
        if _offset(zone, before) != _offset(zone, after):
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // timedelta(seconds=2) * timedelta(seconds=1)
                low, high = (middle, high) if _offset(zone, middle) == _offset(zone, low) else (low, middle)
            found.append(high)
        before = after
    return tuple(found)


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return int((offset or timedelta(0)).total_seconds())


def _utc(zone: ZoneInfo, wall: datetime, *, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Calendar:
    """The buckets of one width that a range falls into. Each has a key, which rises with time."""

    zone: ZoneInfo
    width: Width
    range: Range

    @cached_property
    def _segments(self) -> list[Segment]:
        return segments(self.zone, self.range)

    @property
    def _by_the_clock(self) -> bool:
        """Whether buckets end with their segment, rather than where the clock on the wall says."""
        return 0 < self.width.seconds <= HOUR

    @cached_property
    def _shifts(self) -> list[int]:
        """By segment: seconds that are added to an instant before it is divided into slots."""
        if not self._by_the_clock:
            # Never negative, also on 1970-01-01 west of Greenwich.
            ahead = 0 if self.width.months else _MONDAY if self.width.seconds == WEEK else 0
            return [one.offset + ahead + self._before for one in self._segments]
        within = [one.offset % self.width.seconds for one in self._segments]
        if len(set(within)) == 1:
            return within
        return [shift + n * _SEGMENT_SLOTS * self.width.seconds for n, shift in enumerate(within)]

    @property
    def _before(self) -> int:
        """Whole slots, so that keys are not negative."""
        return 0 if self.width.months else -(-DAY // self.width.seconds) * self.width.seconds

    def _segment_at(self, at: datetime) -> int:
        return next(n for n, one in enumerate(self._segments) if at < one.end or n == len(self._segments) - 1)

    def slot(self, column: ColumnElement[datetime]) -> ColumnElement[int]:
        """The key of the bucket that ``column`` lies in, as SQL."""
        shifts = self._shifts
        shift: ColumnElement[int] = literal_column(str(shifts[-1]))
        if len(set(shifts)) > 1:
            shift = case(
                *((column < one.end, literal_column(str(n))) for one, n in zip(self._segments, shifts, strict=True)),
                else_=literal_column(str(shifts[-1])),
            )
        if self.width.months:
            local = func.timestampadd(text("SECOND"), shift, column)
            month = func.year(local) * literal_column("12") + func.month(local) - literal_column("1")
            return month.op("DIV", precedence=_AS_TIMES)(literal_column(str(self.width.months)))
        seconds = func.timestampdiff(text("SECOND"), literal("1970-01-01", literal_execute=True), column)
        return (seconds + shift).op("DIV", precedence=_AS_TIMES)(literal_column(str(self.width.seconds)))

    def key_of(self, at: datetime) -> int:
        """The key of the bucket that holds the naive UTC instant ``at``, which lies in the range."""
        local = at + timedelta(seconds=self._shifts[self._segment_at(at)]) if self.width.months else None
        if local is not None:
            return (local.year * 12 + local.month - 1) // self.width.months
        seconds = (at - EPOCH) // timedelta(seconds=1)
        return (seconds + self._shifts[self._segment_at(at)]) // self.width.seconds

    def start_of(self, key: int) -> datetime:
        """When (naive UTC) a bucket begins; the range may cut it."""
        if self._by_the_clock:
            return self._start_by_the_clock(key)
        return _utc(self.zone, self._wall(key), fold=0)

    def _start_by_the_clock(self, key: int) -> datetime:
        width = self.width.seconds
        if len(set(self._shifts)) == 1:
            return EPOCH + timedelta(seconds=key * width - self._shifts[0])
        n, slot = divmod(key, _SEGMENT_SLOTS)
        start = EPOCH + timedelta(seconds=slot * width - self._segments[n].offset % width)
        return max(start, self._segments[n].start) if n else start

    def _wall(self, key: int) -> datetime:
        """What the clock shows when a bucket begins."""
        if self.width.months:
            year, month = divmod(key * self.width.months, 12)
            return datetime(year, month + 1, 1)  # noqa: DTZ001 - a clock on a wall
        ahead = _MONDAY if self.width.seconds == WEEK else 0
        return EPOCH + timedelta(seconds=key * self.width.seconds - ahead - self._before)

    def buckets(self) -> Iterator[Range]:
        """The range, cut at every beginning of a bucket and at every change of the offset."""
        at = self.range.start
        while at < self.range.end:
            segment = self._segments[self._segment_at(at)]
            following = self.key_of(at) + 1
            if self._by_the_clock:
                starts = [self._start_by_the_clock(following)]
            else:
                starts = [_utc(self.zone, self._wall(following), fold=fold) for fold in (0, 1)]
            end = min([segment.end, self.range.end, *(start for start in starts if start > at)])
            yield Range(at, end)
            at = end

    def cut(self, tiers: tuple[Tier, ...] = TIERS) -> Cut:
        """What to read, so that no row of rollups lies in two buckets."""
        narrow = [tier for tier in tiers if tier.seconds <= (self.width.seconds or DAY)]
        fitting = [tier for tier in narrow if self._fits(tier)]
        if fitting == narrow:
            return cut(self.range, fitting)
        return cut_each(self.buckets(), tiers)

    def _fits(self, tier: Tier) -> bool:
        """Whether every bucket begins with a row of ``tier``."""
        return (self.width.seconds or DAY) % tier.seconds == 0 and all(
            one.offset % tier.seconds == 0 for one in self._segments
        )
