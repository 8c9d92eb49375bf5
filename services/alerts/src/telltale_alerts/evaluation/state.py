"""What the evaluator remembers from one message to the next: all of it is kept in the database."""

from dataclasses import dataclass, field
from enum import StrEnum

from telltale_alerts.evaluation.rules import Kind, Severity

SeriesName = tuple[str, str]
"""(source, category)."""
AlertKey = tuple[int, str, str]
"""(rule, source, category): what has at most one alert open."""

ANOMALIES_KNOWN = 8
"""Instants of a series' newest anomalies that are kept, to know one that the detector tells again."""


class State(StrEnum):
    """What an alert is in."""

    PENDING = "pending"
    """The condition holds, but not yet for long enough."""
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """Firing, and somebody looks after it."""
    SILENCED = "silenced"
    """Firing, and nobody is told."""
    RESOLVED = "resolved"


@dataclass(slots=True)
class Series:
    """A series that has sent readings."""

    source: str
    category: str
    unit: str | None
    service: str
    """Who publishes its readings."""
    last_at: int
    """When its newest reading was measured, µs since 1970-01-01 UTC. Older ones are late and change nothing."""
    anomalies: tuple[int, ...] = ()
    """When its newest anomalies were observed, oldest first."""


@dataclass(slots=True)
class Alert:
    """One time that a rule's condition holds for a series."""

    rule_id: int
    rule_revision: int
    rule_name: str
    kind: Kind
    severity: Severity
    source: str
    category: str
    unit: str | None
    state: State
    since: int
    """When the condition began to hold; all instants are µs since 1970-01-01 UTC."""
    held_at: int
    """When it held last."""
    value: float | None
    explanation: str
    id: int | None = None
    """Of its row; None until that is written."""
    fired_at: int | None = None
    clear_since: int | None = None
    """Since when the condition has been over, while that has not lasted for long enough."""
    resolved_at: int | None = None
    acknowledged_by: str = ""
    silenced_until: int | None = None
    """When the last silence that covers it ends."""
    notified: bool = False
    """Whether somebody outside was told that it fires."""

    @property
    def key(self) -> AlertKey:
        """Its rule and series."""
        return self.rule_id, self.source, self.category


@dataclass(frozen=True, slots=True)
class Change:
    """An alert entered a state."""

    alert: Alert
    state: State
    at: int
    """In the time of the readings, µs since 1970-01-01 UTC."""
    value: float | None
    explanation: str
    by: str = ""
    note: str = ""


@dataclass(slots=True)
class Service:
    """A service that sends heartbeats."""

    at: int
    """The newest heartbeat, µs since 1970-01-01 UTC."""
    back_at: int
    """When it was first heard again after it had been away, or not well."""
    trouble: str = ""
    """What it says is wrong with it."""


@dataclass(slots=True)
class Clock:
    """The time of the stream, which is that of the messages in it and not of their arrival."""

    now: int = 0
    """µs since 1970-01-01 UTC."""
    looked_at: int = 0
    """When it was last looked what is silent or over."""
    blind_until: int = 0
    """The end of the last stretch of which not everything was seen."""
    leap: tuple[str, int] | None = None
    """Who told of a time far ahead, and of which; believed once somebody else does, too."""
    services: dict[str, Service] = field(default_factory=dict)
