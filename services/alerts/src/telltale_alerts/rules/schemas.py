"""What rules look like outside."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from telltale_alerts.evaluation.rules import SECOND, Direction, Kind, Rule, Severity
from telltale_alerts.names import Label, Names
from telltale_shared.lists import Instant
from telltale_shared.validation import VALUE_MAX

LONGEST = 7 * 86_400
"""Seconds that a rule may wait."""
SHORTEST_SILENCE = 10
"""Seconds: a series may be read once in a few seconds."""

Number = Annotated[float, Field(ge=-VALUE_MAX, le=VALUE_MAX, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=0, le=LONGEST)]


class ThresholdCondition(BaseModel):
    """A value above or below a limit."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["threshold"]
    direction: Direction
    value: Number
    """The limit itself is not beyond the limit."""
    clear: Number | None = None
    """A firing alert ends only at this value or further back; by default at the limit."""

    @model_validator(mode="after")
    def _clear_lies_behind(self) -> "ThresholdCondition":
        behind = {
            Direction.ABOVE: lambda clear: clear <= self.value,
            Direction.BELOW: lambda clear: clear >= self.value,
        }
        if self.clear is not None and not behind[self.direction](self.clear):
            side = "at or below" if self.direction is Direction.ABOVE else "at or above"
            raise ValueError(f"clear must lie {side} value, or an alert could never end")
        return self


class AnomalyCondition(BaseModel):
    """The detector marks a reading."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["anomaly"]
    min_score: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0.0
    kinds: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=32, pattern="^[a-z_]+$")]], Field(max_length=20)
    ] = []
    """Only these, like ``spike``; empty means all."""


class NoDataCondition(BaseModel):
    """A series has been silent for ``for_seconds``."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["no_data"]


class MissingReadingsCondition(BaseModel):
    """The ledger misses confirmed readings. Only the built-in rule has it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["missing_readings"]


Condition = Annotated[
    ThresholdCondition | AnomalyCondition | NoDataCondition | MissingReadingsCondition, Field(discriminator="kind")
]


class RuleBody(BaseModel):
    """A rule as a person writes it."""

    model_config = ConfigDict(extra="forbid")

    name: Label
    severity: Severity = Severity.WARNING
    enabled: bool = True
    sources: Names = []
    """Empty means all."""
    categories: Names = []
    """Empty means all. A series must match both."""
    condition: Condition
    for_seconds: Seconds = 0
    """How long the condition must hold before the rule fires; of ``no_data`` the silence that is allowed."""
    clear_after_seconds: Seconds = 0
    """How long it must be over before an alert is resolved; of ``anomaly`` the time without another one."""

    @property
    def kind(self) -> Kind:
        """What it looks at."""
        return Kind(self.condition.kind)

    @model_validator(mode="after")
    def _long_enough(self) -> "RuleBody":
        if self.kind is Kind.NO_DATA and self.for_seconds < SHORTEST_SILENCE:
            raise ValueError(f"for_seconds of a no_data rule must be at least {SHORTEST_SILENCE}")
        if self.kind is Kind.ANOMALY and self.clear_after_seconds < 1:
            raise ValueError("clear_after_seconds of an anomaly rule must be at least 1: an anomaly is an instant")
        return self

    def as_rule(self, rule_id: int = 0, revision: int = 0) -> Rule:
        """The rule as it is evaluated."""
        rule = Rule(
            id=rule_id,
            revision=revision,
            name=self.name,
            kind=self.kind,
            severity=self.severity,
            sources=frozenset(self.sources),
            categories=frozenset(self.categories),
            hold=self.for_seconds * SECOND,
            clear_after=self.clear_after_seconds * SECOND,
        )
        match self.condition:
            case ThresholdCondition(direction=direction, value=value, clear=clear):
                return replace(rule, direction=direction, threshold=value, clear=clear)
            case AnomalyCondition(min_score=min_score, kinds=kinds):
                return replace(rule, min_score=min_score, anomaly_kinds=frozenset(kinds))
        return rule


def condition_of(rule: Rule) -> Condition:
    """The condition of ``rule`` as a person writes it."""
    match rule.kind:
        case Kind.THRESHOLD:
            return ThresholdCondition(
                kind="threshold", direction=rule.direction, value=rule.threshold, clear=rule.clear
            )
        case Kind.ANOMALY:
            return AnomalyCondition(kind="anomaly", min_score=rule.min_score, kinds=sorted(rule.anomaly_kinds))
        case Kind.NO_DATA:
            return NoDataCondition(kind="no_data")
        case Kind.MISSING_READINGS:
            return MissingReadingsCondition(kind="missing_readings")


class RuleView(BaseModel):
    """A rule as it is watched by."""

    id: str
    version: int
    """Rises with every change; ``If-Match`` of a change takes it."""
    name: str
    severity: Severity
    enabled: bool
    built_in: bool
    """It cannot be deleted, nor switched off, nor made to watch for something else."""
    sources: list[str]
    categories: list[str]
    condition: Condition
    for_seconds: float
    clear_after_seconds: float
    open_alerts: int
    """Pending and firing."""
    cannot_tell: str
    """Why it cannot tell right now whether its condition holds; empty when it can."""
    changed_at: Instant
    changed_by: str


class TrialBody(BaseModel):
    """A rule, and the past to try it on."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    rule: RuleBody
    start: Annotated[AwareDatetime, Field(alias="from")]
    end: Annotated[AwareDatetime, Field(alias="to")]


class TrialAlert(BaseModel):
    """An alert that the rule would have had."""

    source: str
    category: str
    unit: str | None
    since: datetime
    """When the condition began to hold."""
    fired_at: datetime
    resolved_at: datetime | None
    """Null where it was still firing at the end."""
    value: float | None
    """When it fired."""
    explanation: str


class Trial(BaseModel):
    """What a rule would have done."""

    alerts: list[TrialAlert]
    """In the order in which they would have fired, at most 1,000."""
    total: int
    still_pending: int
    """Conditions that held at the end, but not for long enough."""
    readings: int
    """Looked at."""
    series: int
    evaluated_to: datetime
    """The end of what was looked at: earlier than asked for when there were too many readings."""
    is_complete: bool
