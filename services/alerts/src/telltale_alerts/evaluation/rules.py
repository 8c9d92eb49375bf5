"""What is watched for, and what is kept quiet."""

from dataclasses import dataclass, field
from enum import StrEnum

SECOND = 1_000_000
"""µs."""


class Kind(StrEnum):
    """What a rule looks at."""

    THRESHOLD = "threshold"
    """Values above or below a limit."""
    ANOMALY = "anomaly"
    """What the detector holds to be unusual."""
    NO_DATA = "no_data"
    """A series whose sensor has fallen silent."""
    MISSING_READINGS = "missing_readings"
    """The ledger: confirmed readings that are not accounted for."""


class Severity(StrEnum):
    """How bad it is, mildest first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    def includes(self, other: "Severity") -> bool:
        """Whether ``other`` is at least as bad as this."""
        order = list(Severity)
        return order.index(other) >= order.index(self)


class Direction(StrEnum):
    """On which side of the limit a value is too far."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Durations are in µs."""

    id: int
    revision: int
    """Rises when what it watches for changes; what it has open then ends."""
    name: str
    kind: Kind
    severity: Severity
    sources: frozenset[str] = frozenset()
    """Empty means all."""
    categories: frozenset[str] = frozenset()
    """Empty means all. A series must match both."""
    hold: int = 0
    """How long the condition must hold before the rule fires; for ``no_data`` the silence that is allowed."""
    clear_after: int = 0
    """How long it must be over before the alert is resolved."""
    direction: Direction = Direction.ABOVE
    threshold: float = 0.0
    clear: float | None = None
    """Hysteresis: a firing alert ends only beyond this value; None: at the threshold itself."""
    min_score: float = 0.0
    """Of anomalies."""
    anomaly_kinds: frozenset[str] = frozenset()
    """Empty means all."""

    def matches(self, source: str, category: str) -> bool:
        """Whether a series is watched."""
        return (not self.sources or source in self.sources) and (not self.categories or category in self.categories)

    def holds(self, value: float) -> bool:
        """Whether ``value`` is beyond the threshold."""
        return value > self.threshold if self.direction is Direction.ABOVE else value < self.threshold

    def is_clear(self, value: float) -> bool:
        """Whether ``value`` is back where a firing alert may end."""
        limit = self.threshold if self.clear is None else self.clear
        return value <= limit if self.direction is Direction.ABOVE else value >= limit


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody is told of, until an instant."""

    id: int
    ends_at: int
    """µs since 1970-01-01 UTC."""
    rule_id: int | None = None
    """None means every rule."""
    sources: frozenset[str] = field(default_factory=frozenset)
    categories: frozenset[str] = field(default_factory=frozenset)

    def covers(self, rule_id: int, source: str, category: str) -> bool:
        """Whether alerts of this rule and series are meant."""
        return (
            self.rule_id in (None, rule_id)
            and (not self.sources or source in self.sources)
            and (not self.categories or category in self.categories)
        )
