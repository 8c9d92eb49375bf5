"""The tables of the database ``telltale_alerts`` as SQLAlchemy sees them. The migrations create them."""

from sqlalchemy import JSON, Boolean, Column, LargeBinary, MetaData, String, Table
from sqlalchemy.dialects.mysql import BIGINT, DATETIME, DOUBLE, INTEGER

SCHEMA_VERSION = "2026_11_29_deliveries"
"""The migration that this code was written for."""

metadata = MetaData()

ID = BIGINT(unsigned=True)
MICROSECONDS = BIGINT()
"""µs since 1970-01-01 UTC, or a duration in µs: what the evaluation reckons in."""
INSTANT = DATETIME(fsp=6)
"""UTC with microseconds; naive in Python, as the driver gives it."""

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", INTEGER(unsigned=True), primary_key=True),
    Column("epoch", ID, nullable=False),
    Column("stream_offset", BIGINT()),
    Column("checksum", BIGINT()),
    Column("clock", JSON, nullable=False),
    Column("saved_at", INSTANT, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("category", String(100), primary_key=True),
    Column("unit", String(32)),
    Column("service", String(100), nullable=False),
    Column("last_at", MICROSECONDS, nullable=False),
    Column("anomalies", String(200), nullable=False),
)

rules = Table(
    "rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("revision", INTEGER(unsigned=True), nullable=False),
    Column("version", INTEGER(unsigned=True), nullable=False),
    Column("name", String(100), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("built_in", Boolean, nullable=False),
    Column("sources", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("hold", MICROSECONDS, nullable=False),
    Column("clear_after", MICROSECONDS, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("threshold", DOUBLE(asdecimal=False), nullable=False),
    Column("clear_value", DOUBLE(asdecimal=False)),
    Column("min_score", DOUBLE(asdecimal=False), nullable=False),
    Column("anomaly_kinds", JSON, nullable=False),
    Column("changed_at", INSTANT, nullable=False),
    Column("changed_by", String(100), nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("rule_id", ID, nullable=False),
    Column("rule_revision", INTEGER(unsigned=True), nullable=False),
    Column("rule_name", String(100), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("source", String(100), nullable=False),
    Column("category", String(100), nullable=False),
    Column("unit", String(32)),
    Column("state", String(16), nullable=False),
    Column("since", MICROSECONDS, nullable=False),
    Column("held_at", MICROSECONDS, nullable=False),
    Column("fired_at", MICROSECONDS),
    Column("clear_since", MICROSECONDS),
    Column("resolved_at", MICROSECONDS),
    Column("value", DOUBLE(asdecimal=False)),
    Column("explanation", String(1_000), nullable=False),
    Column("acknowledged_by", String(100), nullable=False),
    Column("silenced_until", MICROSECONDS),
    Column("notified", Boolean, nullable=False),
)

history = Table(
    "history",
    metadata,
    Column("id", ID, primary_key=True),
    Column("alert_id", ID, nullable=False),
    Column("at", MICROSECONDS, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    Column("state", String(16), nullable=False),
    Column("value", DOUBLE(asdecimal=False)),
    Column("explanation", String(1_000), nullable=False),
    Column("by_whom", String(100), nullable=False),
    Column("note", String(500), nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", ID, primary_key=True),
    Column("rule_id", ID),
    Column("sources", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("ends_at", MICROSECONDS, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", ID, primary_key=True),
    Column("routing_key", String(100), nullable=False),
    Column("type", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("url", String(1_000), nullable=False),
    Column("secret", String(100), nullable=False),
    Column("min_severity", String(16), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("changed_at", INSTANT, nullable=False),
    Column("changed_by", String(100), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("webhook_id", ID, nullable=False),
    Column("alert_id", ID, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", INTEGER(unsigned=True), nullable=False),
    Column("next_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Column("problem", String(300), nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(254), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("request_id", String(32), nullable=False),
)
