"""What analytics look like outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from telltale_query.filters import ReadingQuery


class SummaryQuery(ReadingQuery):
    """Which readings, and whether to compare."""

    compare: bool = Field(
        True, description="Whether to add the same numbers of the period of equal length before; needs `from` and `to`."
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading at one end of the range."""

    source: str
    category: str
    observed_at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of some readings. Null where there are none."""

    count: int
    mean: float | None
    min: float | None
    max: float | None
    stddev: float | None
    """Standard deviation of exactly these readings."""
    p50: float | None
    """Median, interpolated linearly. Taken from the raw readings, so null above 200,000 of them."""
    p95: float | None
    """95th percentile, likewise."""
    percentiles_exact: bool
    """False where there are too many readings to take percentiles from them."""
    anomalies: int
    """Readings among these that a detector holds to be unusual and that nobody dismissed."""


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """The numbers of all readings of one unit: numbers over several units mean little."""

    unit: str | None
    count: int
    mean: float
    min: float
    max: float
    stddev: float


@dataclass(frozen=True, slots=True)
class Summary(Figures):
    """A range in a few numbers."""

    first: Moment | None
    last: Moment | None
    by_unit: list[UnitFigures]
    previous: Figures | None
    """The same of the period of equal length before; null where the range is open or it was not asked for."""


@dataclass(frozen=True, slots=True)
class CategoryFigures(Figures):
    """The numbers of one category."""

    category: str
    unit: str | None
    """Null also where its series have several units."""


@dataclass(frozen=True, slots=True)
class Categories:
    """The numbers of each category that has readings in the range, by name."""

    items: list[CategoryFigures]


class BucketWidth(StrEnum):
    """How wide the buckets of a time series are."""

    AUTO = "auto"
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class TimeseriesQuery(ReadingQuery):
    """Which readings, and how finely to show them."""

    bucket: Annotated[
        BucketWidth,
        Field(
            description="`auto` takes the finest that gives at most 1,000 buckets (below a minute only for few rows)."
        ),
    ] = BucketWidth.AUTO


@dataclass(frozen=True, slots=True)
class Point:
    """The readings of one series in one bucket. Buckets without readings have no point."""

    at: datetime
    """When the bucket begins; the first and the last one may be cut by the range."""
    count: int
    mean: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class SeriesPoints:
    """One series over time."""

    source: str
    category: str
    unit: str | None
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Timeseries:
    """Series over time, in as many points as a chart can show."""

    bucket: str
    """Width of a bucket, as ``30s``, ``1m``, ``6h`` or ``1d``."""
    bucket_seconds: int
    series: list[SeriesPoints]
    """By source and category, at most 50."""
    series_total: int
    """Series that have readings in the range."""
