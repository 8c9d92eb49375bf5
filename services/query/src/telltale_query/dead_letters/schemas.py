"""What dead letters look like outside."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from telltale_query.filters import PageQuery, RangeQuery, Word


class DeadLetterQuery(RangeQuery, PageQuery):
    """Which dead letters, by when they arrived."""

    reason: list[Word] = Field([], max_length=50, description="Only with these reasons; repeat it for several.")
    producer: str | None = Field(None, max_length=64, description="Only of this producer.")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be stored, and why."""

    id: str
    at: datetime
    """When it arrived."""
    reason: str
    detail: str
    producer: str | None
    number: int | None
    """The first of its numbers, where the message named them."""
    count: int
    """How many numbers it stands for."""
    payload: str
    """The beginning of what arrived, as text; bytes that are no text are shown as replacement characters."""
    payload_bytes: int
    """Bytes that are kept of it."""
    resolution: str | None
    resolved_by: str | None
    resolved_at: datetime | None
