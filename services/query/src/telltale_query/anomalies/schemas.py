"""What anomalies look like outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from telltale_query.filters import PageQuery, RangeQuery, SeriesQuery, Word


class Verdict(StrEnum):
    """What a person says to an anomaly."""

    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class VerdictFilter(StrEnum):
    """Verdicts to list; ``none`` are anomalies that nobody has judged yet."""

    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    NONE = "none"


class AnomalySort(StrEnum):
    """The orders of a list of anomalies."""

    OLDEST = "observed_at"
    NEWEST = "-observed_at"
    MILDEST = "score"
    STRONGEST = "-score"


class AnomalyQuery(SeriesQuery, RangeQuery, PageQuery):
    """Which anomalies, in which order, and which page of them."""

    verdict: list[VerdictFilter] = Field([], description="Only with these verdicts; repeat it for several.")
    detector: Word | None = None
    kind: Word | None = Field(None, description="Only of this kind, like `spike`.")
    min_score: float | None = Field(None, allow_inf_nan=False)
    sort: AnomalySort = AnomalySort.NEWEST


class Judgement(BaseModel):
    """A person's verdict; null takes it back."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A detector's judgement of one reading."""

    id: str
    record_id: str
    source: str
    category: str
    unit: str | None
    observed_at: datetime
    value: float
    """As it was judged: the record may have been edited since."""
    score: float
    """How far outside the expected range, in robust standard deviations."""
    expected_low: float
    expected_high: float
    kind: str
    explanation: str
    detector: str
    version: str
    detected_at: datetime
    verdict: str | None
    verdict_by: str | None
    verdict_at: datetime | None
