"""What series look like outside."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LatestReading:
    """The newest reading of a series."""

    observed_at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class SeriesItem:
    """One series: a (source, category) pair with one unit."""

    id: int
    source: str
    category: str
    unit: str | None
    latest: LatestReading | None
    """Null when it has no record (any more)."""
