"""What dead letters look like outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from telltale_query.filters import PageQuery, RangeQuery, Word, storable

CHOSEN_MAX = 1_000
REPLAY, DISCARD = "dead_letter_replay", "dead_letter_discard"
"""Kinds of job."""

Text = Annotated[str, Field(max_length=200), AfterValidator(storable)]


class Resolution(StrEnum):
    """What was decided about a letter."""

    OPEN = "open"
    """Nothing yet."""
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class DeadLetterFilter(RangeQuery):
    """Which dead letters, by when they arrived and what they are."""

    reason: list[Word] = Field([], max_length=50, description="Only with these reasons; repeat it for several.")
    producer: str | None = Field(None, max_length=64, description="Only of this producer.")
    source: Text | None = Field(None, description="Only of readings of this source.")
    q: Text | None = Field(None, description="Only whose detail or payload holds this text.")


class DeadLetterQuery(DeadLetterFilter, PageQuery):
    """Which dead letters, and which page of them."""

    resolution: Resolution | None = Field(None, description="Only those of which this was decided.")


class Choice(BaseModel):
    """Which open dead letters: named one by one, or by a filter and how many that is as far as you know."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]] | None = Field(None, min_length=1, max_length=CHOSEN_MAX)
    filter: DeadLetterFilter | None = None
    expected_count: int | None = Field(None, ge=0, description="`total` of the list with `resolution=open`.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Choice":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("name either `ids` or a `filter`")
        if self.filter is not None and self.expected_count is None:
            raise ValueError("a `filter` needs an `expected_count`")
        return self


def as_json(query: DeadLetterFilter) -> dict[str, Any]:
    """``query`` as it comes in, without what says nothing."""
    return query.model_dump(mode="json", by_alias=True, exclude_defaults=True)


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
    """What arrived, as text: its beginning in a list. Bytes that are no text are shown as replacement characters."""
    payload_bytes: int
    """Bytes that are kept of it."""
    resolution: str | None
    """``replayed`` or ``discarded``; null while it is open."""
    resolved_by: str | None
    resolved_at: datetime | None
