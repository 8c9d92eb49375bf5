"""What sensitivity looks like outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from telltale_query.instants import Instant
from telltale_shared.detection.sensitivity import LEAST, LEVELS, MOST

Name = Annotated[str, Field(min_length=1, max_length=200)]
Threshold = Annotated[float, Field(ge=LEAST, le=MOST, allow_inf_nan=False)]


class Level(StrEnum):
    """The named levels."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class OneSeries(BaseModel):
    """Which series."""

    model_config = ConfigDict(extra="forbid")

    source: Name
    category: Name


class Chosen(OneSeries):
    """A level by its name or as a number: the score from which on anomalies are marked."""

    level: Level | None = None
    threshold: Threshold | None = Field(None, description="A number instead of a level; a smaller one marks more.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Chosen":
        if (self.level is None) == (self.threshold is None):
            raise ValueError("say either level or threshold")
        return self

    @property
    def chosen(self) -> float:
        """The threshold that was meant."""
        return self.threshold if self.threshold is not None else LEVELS[self.level or Level.NORMAL]


class NewSensitivity(Chosen):
    """What to set."""

    forget_verdicts: bool = Field(False, description="Whether verdicts given until now no longer raise a limit.")


class Trial(Chosen):
    """What to try, on which stored readings."""

    from_: Instant = Field(alias="from")
    to: Instant
    with_verdicts: bool = Field(True, description="Whether what verdicts taught counts as well.")

    @model_validator(mode="after")
    def _a_range(self) -> "Trial":
        if self.from_ >= self.to:
            raise ValueError("from must be before to")
        return self


@dataclass(frozen=True, slots=True)
class KindLimit:
    """From which score one kind is marked, and what verdicts have to do with it."""

    kind: str
    limit: float
    lessons: int
    """Anomalies of this kind dismissed, less those confirmed; 0 or less raises nothing."""


@dataclass(frozen=True, slots=True)
class SensitivityOut:
    """How one series is watched."""

    source: str
    category: str
    threshold: float
    level: str | None
    """The name of the threshold; null for a number of one's own."""
    levels: dict[str, float]
    kinds: list[KindLimit]
    verdicts_from: datetime | None
    """Verdicts given before it no longer count."""
    set_by: str | None
    set_at: datetime | None


@dataclass(frozen=True, slots=True)
class WouldMark:
    """An anomaly that would have been marked."""

    observed_at: datetime
    value: float
    score: float
    expected_low: float
    expected_high: float
    kind: str
    explanation: str


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a sensitivity would have marked among stored readings."""

    threshold: float
    readings: int
    """How many were read: the newest of the range, if those are not all."""
    read_from: datetime | None
    is_whole: bool
    """Whether the whole range was read."""
    anomalies: list[WouldMark]
