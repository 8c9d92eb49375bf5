"""What analytics are asked, and the same question in SQL to the raw rows and to DuckDB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_OF_SERIES = """
SELECT STRAIGHT_JOIN series_id, COUNT(*), SUM(value), SUM(POW(value - series.origin, 2)), MIN(value), MAX(value)
FROM records JOIN series ON series.id = records.series_id
WHERE observed_at >= :start AND observed_at < :end GROUP BY series_id
"""
_OF_CATEGORIES = """
SELECT STRAIGHT_JOIN category, COUNT(*), SUM(value), SUM(POW(value - series.origin, 2)), MIN(value), MAX(value)
FROM records JOIN series ON series.id = records.series_id
WHERE observed_at >= :start AND observed_at < :end GROUP BY category
"""
_OVER_TIME = """
SELECT STRAIGHT_JOIN {line}, TIMESTAMPDIFF(SECOND, '1970-01-01', observed_at) DIV :width AS slot, COUNT(*), SUM(value),
  MIN(value), MAX(value)
FROM records JOIN series ON series.id = records.series_id
WHERE observed_at >= :start AND observed_at < :end GROUP BY {line}, slot
"""
_DUCK = """
SELECT {line}, {numbers} FROM records JOIN series ON series.id = records.series_id
WHERE observed_at >= $start AND observed_at < $end GROUP BY {groups}
"""
_NUMBERS = "count(*), avg(value), stddev_pop(value), min(value), max(value)"
_RANKED = f"{_NUMBERS}, quantile_cont(value, [0.5, 0.9, 0.95, 0.99])"
_SLOT = "epoch(observed_at)::BIGINT // $width"


@dataclass(frozen=True)
class Question:
    """One question over all series."""

    name: str
    path: str
    params: Mapping[str, Any]
    target_ms: float
    raw: str | None
    """The same of MariaDB's raw rows; None where it cannot be asked in one statement."""
    duck: str
    """The same of DuckDB."""
    against_rivals: bool = True
    """Whether it must beat both."""
    has_width: bool = field(default=False)
    """Whether the SQL needs the width of a bucket, which the answer names."""


WITHOUT, WITH = {"percentiles": False}, {"percentiles": True}
BY_SERIES = {"limit": 200}
BY_CATEGORY = {"group_by": "category"}

QUESTIONS = (
    Question(
        "summary", "/analytics/summary", WITHOUT, 50, _OF_SERIES,
        _DUCK.format(line="series_id", numbers=_NUMBERS, groups="series_id"),
    ),
    Question(
        "categories", "/analytics/categories", WITHOUT, 50, _OF_CATEGORIES,
        _DUCK.format(line="category", numbers=_NUMBERS, groups="category"),
    ),
    Question(
        "time series, a line a series", "/analytics/timeseries", BY_SERIES, 50, _OVER_TIME.format(line="series_id"),
        _DUCK.format(line=f"series_id, {_SLOT} AS slot", numbers=_NUMBERS, groups="series_id, slot"), has_width=True,
    ),
    Question(
        "time series, a line a category", "/analytics/timeseries", BY_CATEGORY, 50, _OVER_TIME.format(line="category"),
        _DUCK.format(line=f"category, {_SLOT} AS slot", numbers=_NUMBERS, groups="category, slot"), has_width=True,
    ),
    Question(
        "summary with percentiles", "/analytics/summary", WITH, 200, None,
        _DUCK.format(line="1 AS line", numbers=_RANKED, groups="line"), against_rivals=False,
    ),
    Question(
        "categories with percentiles", "/analytics/categories", WITH, 200, None,
        _DUCK.format(line="category", numbers=_RANKED, groups="category"), against_rivals=False,
    ),
)  # fmt: skip
