"""What one can ask about readings."""

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, Field

from telltale_query.filters import ReadingQuery

SERIES_SHOWN = 200
"""Series in one time series at most."""


class Compared(BaseModel):
    """Whether to compare."""

    compare: bool = Field(
        False, description="Whether to add the same of the period of equal length before; needs `from` and `to`."
    )


class Ranked(BaseModel):
    """Whether to rank values."""

    percentiles: bool = Field(
        True, description="Whether to find percentiles, which takes longer than all other numbers together."
    )


class SummaryQuery(ReadingQuery, Compared, Ranked):
    """Which readings, and what to say of them."""


class GroupsQuery(ReadingQuery, Compared, Ranked):
    """Which readings, and what to say of each group."""


class BucketWidth(StrEnum):
    """How wide the buckets of a time series are."""

    AUTO = "auto"
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class GroupBy(StrEnum):
    """What a line of a time series is."""

    SERIES = "series"
    CATEGORY = "category"


def _is_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone, like Europe/Berlin")
    ZoneInfo(name)
    return name


TimeZone = Annotated[str, AfterValidator(_is_time_zone)]


class TimeseriesQuery(ReadingQuery, Compared):
    """Which readings, and how finely to show them."""

    bucket: Annotated[
        BucketWidth,
        Field(
            description="How wide a bucket is: at most 1,500 of them a line and 100,000 points in all. `auto` takes "
            "the finest of 1 s to a year that gives at most 1,000 buckets a line and 4,000 points in all, and is made "
            "of at most 20,000 rows (readings below a minute, else rollups of a minute, an hour or a day)."
        ),
    ] = BucketWidth.AUTO
    time_zone: TimeZone = Field(
        "UTC",
        max_length=64,
        description="IANA name of the zone whose hours, days, weeks (from Monday on) and months count. Days in which "
        "clocks change have 23 or 25 hours.",
    )
    group_by: GroupBy = Field(
        GroupBy.SERIES, description="One line a series, or one a category over all of its series."
    )
    limit: int = Field(50, ge=1, le=SERIES_SHOWN, description="Lines at most, by source and category.")


class TopOf(StrEnum):
    """What is ranked."""

    SERIES = "series"
    SOURCE = "source"
    CATEGORY = "category"


class TopBy(StrEnum):
    """By what it is ranked, the highest first."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    COUNT = "count"
    STDDEV = "stddev"
    RANGE = "range"
    ANOMALIES = "anomalies"


class TopQuery(ReadingQuery):
    """Which readings, and what to rank."""

    of: TopOf = Field(TopOf.SERIES, description="What is ranked.")
    by: TopBy = Field(TopBy.MEAN, description="By what, the highest first; `range` is the highest minus the lowest.")
    n: int = Field(10, ge=1, le=100, description="How many at most.")


class DistributionQuery(ReadingQuery):
    """Which readings, and how finely to count them."""

    bins: int = Field(40, ge=1, le=200, description="Bins of a unit at most.")
