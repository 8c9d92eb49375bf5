"""What services say about themselves."""

import msgspec

LEDGER_MISSING = "ledger_missing"
"""The figure in the writer's heartbeat that counts confirmed readings that are neither stored nor dead nor on their
way. The built-in alert rule watches it."""


class ProducerState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a producer has come; the ledger compares it with what was stored."""

    producer: str
    published: int
    """Highest number given to a reading."""
    confirmed: int
    """Every number up to this one is confirmed by the broker."""
    dropped: int = 0
    """Readings given up before they got a number, because the spool was full."""
    closed: bool = False
    """Whether this producer will never number another reading."""


class Heartbeat(msgspec.Struct, tag_field="schema", tag="heartbeat/1", frozen=True, kw_only=True):
    """Sent every few seconds by each running instance of a service."""

    service: str
    instance: str
    version: str
    started_at: int
    """µs since 1970-01-01 UTC."""
    at: int
    """µs since 1970-01-01 UTC."""
    health: str
    """``ok`` or ``degraded``."""
    memory_bytes: int
    """Resident memory of the process."""
    dependencies: dict[str, str] = {}
    """Per dependency ``ok`` or what is wrong with it."""
    figures: dict[str, float] = {}
    """Numbers worth a glance on the status page, e.g. ``readings_per_second``."""
    producers: list[ProducerState] = []


class LogEvent(msgspec.Struct, tag_field="schema", tag="log/1", frozen=True, kw_only=True):
    """A warning or error of a service, kept in ``system_logs``."""

    service: str
    instance: str
    at: int
    """µs since 1970-01-01 UTC."""
    level: str
    """``info``, ``warning``, ``error`` or ``critical``."""
    logger: str
    message: str
    request_id: str | None = None
    fields: dict[str, str] = {}
