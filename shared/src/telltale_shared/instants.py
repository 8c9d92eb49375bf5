"""Instants: microseconds since 1970-01-01 UTC on the wire, naive UTC datetimes in the database."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as the database driver gives and takes it
MICROSECOND = timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """The naive UTC datetime of ``microseconds`` since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """µs since 1970-01-01 UTC of ``at``, which is either aware or naive UTC."""
    return (at - (EPOCH if at.tzinfo is None else EPOCH.replace(tzinfo=UTC))) // MICROSECOND
