"""How wide the buckets of a time series are: as chosen, or as fine as the cost of an answer allows."""

from dataclasses import dataclass
from datetime import timedelta

from telltale_query.analytics.calendar import DAY, HOUR, MINUTE, WEEK, Width
from telltale_query.analytics.queries import BucketWidth
from telltale_query.selection import Range
from telltale_shared.errors import FieldError, InvalidRequest
from telltale_shared.store.tiers import TIERS

AUTO_BUCKETS = 1_000
"""Buckets of a line at most where the width is ours to choose."""
AUTO_POINTS = 4_000
"""The same of all lines together: they are read, encoded and sent one by one."""
AUTO_ROWS = 20_000
"""Rows that are read at most: of a rollup, or single readings for buckets of less than a minute."""
CHOSEN_BUCKETS = 1_500
"""A day of minutes, and some."""
CHOSEN_POINTS = 100_000

CHOSEN = {
    BucketWidth.SECOND: Width(1),
    BucketWidth.MINUTE: Width(MINUTE),
    BucketWidth.HOUR: Width(HOUR),
    BucketWidth.DAY: Width(DAY),
    BucketWidth.WEEK: Width(WEEK),
    BucketWidth.MONTH: Width(months=1),
}
# Each divides a minute, an hour or a day, so that rollups fit into its buckets.
AUTOMATIC = (
    *(Width(n) for n in (1, 2, 5, 10, 15, 30)),
    *(Width(n * MINUTE) for n in (1, 2, 5, 10, 15, 30)),
    *(Width(n * HOUR) for n in (1, 2, 3, 6, 12)),
    *(Width(DAY), Width(2 * DAY), Width(WEEK)),
    *(Width(months=n) for n in (1, 3, 12)),
)


@dataclass(frozen=True)
class Load:
    """What is to be shown."""

    range: Range
    series: int
    lines: int
    """As many as ``series``, or fewer where a line is made of several."""


def finest(load: Load, readings: int | None) -> Width:
    """The finest width that keeps to the limits; the coarsest of all where none does.

    Args:
        load: what is to be shown.
        readings: how many readings there are; None: too many for buckets of less than a minute.
    """
    return next((width for width in AUTOMATIC if _is_affordable(width, load, readings)), AUTOMATIC[-1])


def may_be_below_a_minute(load: Load) -> bool:
    """Whether it makes sense to count the readings: with one a minute and series, buckets of seconds are affordable."""
    minutes = (load.range.end - load.range.start) // timedelta(minutes=1)
    return minutes * load.series <= AUTO_ROWS and any(
        _is_affordable(width, load, 0) for width in AUTOMATIC if width.least < timedelta(minutes=1)
    )


def _is_affordable(width: Width, load: Load, readings: int | None) -> bool:
    buckets = _buckets(load.range, width)
    if buckets > AUTO_BUCKETS or buckets * load.lines > max(AUTO_POINTS, load.lines):
        return False
    tier = next((tier for tier in reversed(TIERS) if timedelta(seconds=tier.seconds) <= width.least), None)
    if tier is None:
        return readings is not None and readings <= AUTO_ROWS
    rows = (load.range.end - load.range.start) // timedelta(seconds=tier.seconds) * load.series
    return rows <= AUTO_ROWS or tier is TIERS[-1]


def refuse_too_many(width: Width, load: Load) -> None:
    """Refuse a chosen width that gives more than an answer may hold.

    Raises:
        InvalidRequest: too many buckets of a line, or points in all.
    """
    buckets = _buckets(load.range, width)
    message = ""
    if buckets > CHOSEN_BUCKETS:
        message = (
            f"gives {buckets:,} points a line and at most {CHOSEN_BUCKETS:,} are given: choose auto, or a coarser one"
        )
    elif buckets * load.lines > CHOSEN_POINTS:
        message = (
            f"gives {buckets * load.lines:,} points over all lines and at most {CHOSEN_POINTS:,} are given: "
            "choose auto, a coarser one, or fewer lines"
        )
    if message:
        raise InvalidRequest(f"bucket {message}", errors=[FieldError(field="bucket", message=message)])


def _buckets(wanted: Range, width: Width) -> int:
    return (wanted.end - wanted.start) // width.least + 1
