"""What alerts look like outside."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from telltale_alerts.evaluation.rules import Kind, Severity
from telltale_alerts.evaluation.state import State
from telltale_alerts.names import Remark
from telltale_alerts.paging import Numbered
from telltale_shared.lists import Instant
from telltale_shared.validation import NAME_MAX

SeriesPart = Annotated[str, Field(max_length=NAME_MAX)]


class AlertQuery(BaseModel):
    """Which alerts, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = []
    """Only in these; repeat it for several."""
    severity: list[Severity] = []
    rule_id: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    source: SeriesPart | None = None
    category: SeriesPart | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50
    cursor: Annotated[str | None, Field(max_length=1_100)] = None
    """``next_cursor`` of the page before."""


class AlertView(Numbered):
    """One time that a rule's condition held for a series."""

    rule_id: str
    """The rule may have been deleted since."""
    rule_name: str
    kind: Kind
    severity: Severity
    source: str
    """Empty, like ``category``, where it is about the system and no series."""
    category: str
    unit: str | None
    state: State
    since: datetime
    """When the condition began to hold."""
    fired_at: datetime | None
    """Null while it is pending."""
    resolved_at: datetime | None
    value: float | None
    """The latest that counted: a reading, a score, or seconds of silence; by ``kind``."""
    explanation: str
    acknowledged_by: str | None
    silenced_until: datetime | None


class HistoryEntry(BaseModel):
    """An alert entered a state, or somebody did something to it."""

    at: datetime
    """In the time of the readings."""
    recorded_at: Instant
    """When it was written down: later, when the service was behind or away."""
    state: State
    value: float | None
    explanation: str
    by: str | None
    note: str | None


class AlertDetail(AlertView):
    """An alert with its history."""

    history: list[HistoryEntry]
    """Oldest first; the newest 500."""


class Acknowledgement(BaseModel):
    """Somebody looks after an alert."""

    model_config = ConfigDict(extra="forbid")

    note: Remark = ""


class AlertStatus(BaseModel):
    """What fires, and whether that can be relied upon."""

    pending: int
    firing: int
    acknowledged: int
    silenced: int
    behind_seconds: float | None
    """How far the evaluation is behind the present; null before the first message."""
    cannot_tell: list[str]
    """Why some or all rules cannot tell right now what is the case; empty when all can."""
