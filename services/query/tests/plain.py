"""Readings and filters in plain Python, which the laws compare the service with."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from .conftest import now, rfc3339

MIDNIGHT = now().replace(hour=0, minute=0, second=0) - timedelta(days=1)
SORTS = ["observed_at", "-observed_at", "value", "-value", "source", "-source", "category", "-category"]
IMPORT = 7
"""The import that some rows come from."""


@dataclass(frozen=True)
class Row:
    source: str
    category: str
    at: datetime
    value: float
    anomalous: bool
    """Judged unusual and not dismissed."""
    imported: bool = False


@dataclass(frozen=True)
class Filters:
    source: list[str]
    category: list[str]
    start: datetime | None
    end: datetime | None
    low: float | None = None
    high: float | None = None
    anomalous: bool | None = None
    imported: bool = False

    def params(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "category": self.category,
            **({"from": rfc3339(self.start)} if self.start else {}),
            **({"to": rfc3339(self.end)} if self.end else {}),
            **({"min_value": self.low} if self.low is not None else {}),
            **({"max_value": self.high} if self.high is not None else {}),
            **({"anomalous": self.anomalous} if self.anomalous is not None else {}),
            **({"import_id": IMPORT} if self.imported else {}),
        }

    def of(self, rows: Iterable[Row]) -> list[Row]:
        return [
            row
            for row in rows
            if (not self.source or row.source in self.source)
            and (not self.category or row.category in self.category)
            and (self.start is None or row.at >= self.start)
            and (self.end is None or row.at < self.end)
            and (self.low is None or row.value >= self.low)
            and (self.high is None or row.value <= self.high)
            and (self.anomalous is None or row.anomalous == self.anomalous)
            and (not self.imported or row.imported)
        ]


def instants(chance: random.Random, scattered: int) -> list[datetime]:
    """Over three days: ``scattered`` ones, a dense minute, and full hours."""
    return [
        *(MIDNIGHT + timedelta(seconds=chance.uniform(-80_000, 120_000)) for _ in range(scattered)),
        *(MIDNIGHT + timedelta(hours=5, seconds=n / 2) for n in range(150)),
        *(MIDNIGHT + timedelta(hours=n) for n in range(-3, 3)),
    ]


def bounds(rows: Iterable[Row]) -> st.SearchStrategy[datetime | None]:
    """Where a range may start or end: nowhere, at a reading or a microsecond beside it, on a full minute or hour."""
    measured = sorted({row.at for row in rows})
    return st.one_of(
        st.none(),
        st.sampled_from(measured),
        st.builds(lambda at, by: at + timedelta(microseconds=by), st.sampled_from(measured), st.integers(-1, 1)),
        st.integers(-24 * 60, 36 * 60).map(lambda minutes: MIDNIGHT + timedelta(minutes=minutes)),
        st.integers(-24, 36).map(lambda hours: MIDNIGHT + timedelta(hours=hours)),
    )


def forwards(filters: Filters) -> Filters:
    """The same with a range that ends after it starts."""
    if filters.start is not None and filters.end is not None and filters.start >= filters.end:
        return replace(filters, start=filters.end, end=filters.start + timedelta(microseconds=1))
    return filters
