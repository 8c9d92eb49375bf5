"""Instants as people read them: in the viewer's zone, which is always named."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def viewer_zone() -> ZoneInfo:
    """The zone of the browser; UTC when it names none that we know."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def parse(text: str) -> datetime:
    """An RFC 3339 instant as an aware ``datetime``."""
    return datetime.fromisoformat(text)


def rfc3339(instant: datetime) -> str:
    """An aware ``datetime`` as the services take it: UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_microseconds(microseconds: int) -> datetime:
    """µs since 1970-01-01 UTC, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def to_microseconds(instant: datetime) -> int:
    """The way back."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def clock(instant: datetime) -> str:
    """Date and time to the second, in the viewer's zone."""
    return instant.astimezone(viewer_zone()).strftime("%Y-%m-%d %H:%M:%S")


def span_text(start: datetime, end: datetime) -> str:
    """A range as people write it: the day once where it does not change."""
    first, last = clock(start), clock(end)
    return f"{first} – {last[11:] if first[:10] == last[:10] else last}"


def age(instant: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0, (now - instant).total_seconds())
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
