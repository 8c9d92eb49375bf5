"""What analytics look like outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, with_config

from telltale_query.analytics.gaps import Gaps

_documented = with_config(ConfigDict(use_attribute_docstrings=True))
"""The words under a field stand in the interface's description, too."""


@_documented
@dataclass(frozen=True, slots=True)
class Moment:
    """One reading at one end of the range."""

    source: str
    category: str
    observed_at: datetime
    value: float


# What others inherit says its words in the type: those under a field are not inherited.
_Percentile = Annotated[
    float | None,
    Field(description="In their unit; null where it was not asked for, or cannot be told: `notes` says why."),
]


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of some readings, in their unit. Null where there are none."""

    count: int
    mean: float | None
    min: float | None
    max: float | None
    stddev: Annotated[float | None, Field(description="Standard deviation of exactly these readings, in their unit.")]
    p50: _Percentile
    p90: _Percentile
    p95: _Percentile
    p99: _Percentile
    percentiles_relative_error: Annotated[
        float | None,
        Field(
            description="How far a percentile may be from the true one, relative to it: 0 where they are taken from "
            "the readings themselves (up to 50,000 of them; linearly interpolated), 0.01 from sketches; null where "
            "there are none."
        ),
    ]
    anomalies: Annotated[
        int,
        Field(description="Readings among these that a detector holds to be unusual and that nobody dismissed."),
    ]


@_documented
@dataclass(frozen=True, slots=True)
class UnitFigures:
    """The numbers of all readings of one unit: numbers over several units mean little."""

    unit: str | None
    count: int
    mean: float
    min: float
    max: float
    stddev: float


@_documented
@dataclass(frozen=True, slots=True)
class Summary(Figures):
    """A range in a few numbers."""

    first: Moment | None
    last: Moment | None
    gaps: Gaps | None
    """Null where a filter looks at single readings."""
    by_unit: list[UnitFigures]
    previous: Figures | None
    """The same of the period of equal length before; null where the range is open or it was not asked for."""
    notes: list[str]
    """What to know about this answer, as that the range was rounded where single readings are gone."""


@dataclass(frozen=True, slots=True)
class GroupFigures(Figures):
    """The numbers of one group."""

    unit: Annotated[str | None, Field(description="Null also where its series have several units.")]
    series: Annotated[int, Field(description="How many of its series have readings.")]
    previous: Annotated[
        Figures | None,
        Field(
            description="The same of the period of equal length before; null where the range is open or it was not "
            "asked for."
        ),
    ]


@dataclass(frozen=True, slots=True)
class CategoryFigures(GroupFigures):
    """The numbers of one category."""

    category: str


@dataclass(frozen=True, slots=True)
class SourceFigures(GroupFigures):
    """The numbers of one source."""

    source: str


@_documented
@dataclass(frozen=True, slots=True)
class Categories:
    """The numbers of each category that has readings in the range, by name."""

    items: list[CategoryFigures]
    notes: list[str]


@_documented
@dataclass(frozen=True, slots=True)
class Sources:
    """The numbers of each source that has readings in the range, by name."""

    items: list[SourceFigures]
    notes: list[str]


@_documented
@dataclass(slots=True)  # not frozen: thousands are made for an answer, and freezing one costs more than making it
class Point:
    """The readings of one line in one bucket. Buckets without readings have no point."""

    at: datetime
    """When the bucket begins; the first and the last one may be cut by the range."""
    count: int
    mean: float
    min: float
    max: float


@_documented
@dataclass(frozen=True, slots=True)
class Line:
    """One series, or one category, over time."""

    source: str | None
    """Null for a category."""
    category: str
    unit: str | None
    """Null also where its series have several units."""
    points: list[Point]
    previous: list[Point] | None
    """The points of the period of equal length before, at their own times; null where it was not asked for, or the
    range is open."""


@_documented
@dataclass(frozen=True, slots=True)
class Timeseries:
    """Series over time, in as many points as a chart can show. No extreme is lost: each point has its own."""

    bucket: str
    """Width of a bucket, as ``30s``, ``1m``, ``6h``, ``1d``, ``1w`` or ``1mo``."""
    bucket_seconds: int | None
    """The same in seconds; null for months."""
    time_zone: str
    previous_shift_seconds: float | None
    """Add it to the times of `previous` to lay them over the range; null where there are none."""
    series: list[Line]
    """By source and category, or by category."""
    series_total: int
    """Lines that have readings in the range; more than are given where there are more than `limit`."""
    notes: list[str]


@_documented
@dataclass(frozen=True, slots=True)
class TopItem(Figures):
    """One of the first."""

    source: str | None
    """Null for a category."""
    category: str | None
    """Null for a source."""
    unit: str | None
    """Null also where its series have several units."""
    value: float
    """What it is ranked by."""


@_documented
@dataclass(frozen=True, slots=True)
class Top:
    """The highest first; among equals by name. Percentiles are always null here."""

    items: list[TopItem]
    total: int
    """How many were ranked."""
    notes: list[str]


@_documented
@dataclass(frozen=True, slots=True)
class Bin:
    """How many readings lie between two values."""

    unit: str | None
    low: float
    high: float
    count: int


@_documented
@dataclass(frozen=True, slots=True)
class Distribution:
    """How the values of each unit are spread, lowest first. Counts are exact.

    Bins are of equal width where they are counted from the readings themselves (up to 200,000 of them). Above that
    their bounds are moved to those of the sketches, which lie 2 % apart, so there are fewer where values vary little.
    """

    items: list[Bin]
    is_complete: bool
    """False where sketches of old readings are missing, which are not counted then; `notes` says so."""
    notes: list[str]
