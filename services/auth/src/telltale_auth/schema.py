"""The tables of the database ``telltale_auth`` as SQLAlchemy sees them. The migrations create them."""

from datetime import UTC, datetime

from sqlalchemy import BINARY, JSON, VARBINARY, Boolean, Column, MetaData, String, Table
from sqlalchemy.dialects.mysql import BIGINT, DATETIME, INTEGER

SCHEMA_VERSION = "2026_11_24_attempts"
"""The migration that this code was written for."""

metadata = MetaData()

UNSIGNED = INTEGER(unsigned=True)
BIG = BIGINT(unsigned=True)
INSTANT = DATETIME(fsp=6)
"""UTC with microseconds; naive in Python, as the driver gives it."""
DIGEST = BINARY(32)
"""SHA-256 of what itself is never stored, such as a random secret."""

users = Table(
    "users",
    metadata,
    Column("id", UNSIGNED, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("is_demo", Boolean, nullable=False),
    Column("password_hash", String(72), nullable=False),
    Column("token_version", UNSIGNED, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_login_at", INSTANT),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("user_id", UNSIGNED, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("address", String(64), nullable=False),
    Column("id", BIG, nullable=False),
    Column("client", String(200), nullable=False),
)

refresh_families = Table(
    "refresh_families",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("user_id", UNSIGNED, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("revoked_at", INSTANT),
    Column("last_used_at", INSTANT),
    Column("address", String(64), nullable=False),
    Column("client", String(200), nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("family_id", BIG, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("used_at", INSTANT),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("user_id", UNSIGNED, nullable=False),
    Column("name", String(100), nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("hint", String(16), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Column("revoked_at", INSTANT),
)

attempts = Table(
    "attempts",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("failures", UNSIGNED, nullable=False),
    Column("at", INSTANT, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("routing_key", String(100), nullable=False),
    Column("type", String(64), nullable=False),
    Column("body", VARBINARY(1_000), nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("actor_id", UNSIGNED),
    Column("actor", String(254), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(254), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("address", String(64), nullable=False),
    Column("request_id", String(32), nullable=False),
    Column("outcome", String(16), nullable=False),
)


def utc_now() -> datetime:
    """Now in UTC, naive, as the tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)
