"""What status, logs and the audit trail look like outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from telltale_query.filters import PageQuery, RangeQuery, Word
from telltale_shared.store.ledger_figures import LedgerFigures


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a service, as its last heartbeat told."""

    service: str
    instance: str
    version: str
    started_at: datetime
    seen_at: datetime
    age_seconds: float
    """Since its last heartbeat."""
    health: str
    """``ok``, ``degraded``, or ``silent`` when no heartbeat came for too long."""
    memory_bytes: int
    dependencies: dict[str, str]
    """Per dependency ``ok`` or what is wrong with it."""
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class TableSize:
    """What one table takes on disk, indexes included."""

    name: str
    size_bytes: int
    rows: int
    """An estimate of the database."""


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """The database, as query sees it. Null where it does not answer."""

    reachable: bool
    problem: str | None
    version: str | None
    migration: str | None
    latency_ms: float | None
    """Of the smallest query there is."""
    size_bytes: int | None
    tables: list[TableSize]
    """The largest ones."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One queue of the broker."""

    name: str
    messages: int
    """Waiting to be delivered."""
    consumers: int


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """The broker, as query sees it."""

    reachable: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class WriterLag:
    """How far the store is behind."""

    deliveries_waiting: int | None
    """Messages in the store queues; null while the broker does not answer."""
    readings_in_flight: int | None
    """Published and not settled yet; null while the database does not answer."""
    newest_record_age_seconds: float | None
    """Since the newest record was measured; null when there is none."""


@dataclass(frozen=True, slots=True)
class Status:
    """Is all well, and if not, why."""

    status: Literal["ok", "degraded"]
    reasons: list[str]
    """Why it is degraded, in plain words."""
    ledger: str | None
    """The ledger in one line."""
    totals: LedgerFigures | None
    instances: list[Instance]
    queues: list[QueueStatus]
    broker: BrokerStatus
    database: DatabaseStatus
    lag: WriterLag


class LogLevel(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogQuery(RangeQuery, PageQuery):
    """Which log entries."""

    level: list[LogLevel] = Field([], description="Only these levels; repeat it for several.")
    service: list[str] = Field([], max_length=50, description="Only these services; repeat it for several.")
    q: str | None = Field(None, max_length=200, description="Only entries whose message or logger holds this text.")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One warning or error of a service."""

    id: str
    at: datetime
    service: str
    instance: str
    level: str
    logger: str
    message: str
    request_id: str | None
    fields: dict[str, Any]


class AuditFilter(RangeQuery):
    """Which changes."""

    actor: str | None = Field(None, max_length=100, description="Only changes by this user id or name.")
    action: Word | None = Field(None, description="Only this kind of change, like `record.edit`.")
    target: str | None = Field(None, max_length=255, description="Only changes of what has this in its name.")
    outcome: Word | None = Field(None, description="Only with this outcome, like `done` or `refused`.")
    q: str | None = Field(None, max_length=200, description="Only changes whose target, actor or action holds this.")


class AuditQuery(AuditFilter, PageQuery):
    """Which changes, and which page of them."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of data: who did what to which thing, and what it was before and is after."""

    id: str
    at: datetime
    actor: str
    actor_id: str
    action: str
    target: str
    outcome: str
    detail: str
    """What changed, in one line."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
