"""What becomes of alerts: one message for each change of an alert's state."""

import msgspec


class AlertChanged(msgspec.Struct, tag_field="schema", tag="alert_changed/1", frozen=True, kw_only=True):
    """One alert as it is after a change: a rule's condition holds, or held, for one series.

    It may be told more than once and, around a restart, late: of two messages about one ``alert`` the one with the
    larger ``number`` counts.
    """

    alert: str
    """Identifies this one time that the rule's condition holds for the series."""
    number: int
    """Rises with every change of any alert."""
    rule: str
    """Identifies the rule."""
    name: str
    """What the rule is called."""
    kind: str
    """``threshold``, ``anomaly``, ``no_data`` or ``missing_readings``."""
    severity: str
    """``info``, ``warning`` or ``critical``."""
    source: str
    """Of the series; empty, like ``category``, where it is about the system and no series."""
    category: str
    unit: str | None
    state: str
    """``pending``, ``firing``, ``acknowledged``, ``silenced`` or ``resolved``. An alert that was only pending is
    resolved, too, when its condition ends before its time."""
    since: int
    """When the condition began to hold, µs since 1970-01-01 UTC."""
    at: int
    """When this change happened, in the time of the readings, µs since 1970-01-01 UTC."""
    value: float | None
    """The latest value that counted: a reading, a score, or seconds of silence; by ``kind``."""
    explanation: str
    """One sentence for a person: what is the case, and what the rule allows."""
    by: str = ""
    """Who acknowledged or silenced it, or ended that; empty for what happened by itself."""
    until: int | None = None
    """When its silence ends, µs since 1970-01-01 UTC; None for one that is not silenced."""
