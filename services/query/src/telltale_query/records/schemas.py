"""What records look like outside."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from telltale_query.filters import PageQuery, ReadingQuery
from telltale_query.instants import Instant
from telltale_query.notes import Note
from telltale_shared.instants import EPOCH, microseconds
from telltale_shared.validation import NAME_MAX, UNIT_MAX

_ID = re.compile(r"(\d{1,10})-(\d{1,18})", re.ASCII)

RecordKey = tuple[int, datetime]
"""(series id, naive UTC instant): what identifies a record."""


def id_of(series_id: int, observed_at: datetime) -> str:
    """The opaque id of a record."""
    return f"{series_id}-{microseconds(observed_at)}"


def key_of(record_id: str) -> RecordKey | None:
    """What identifies the record ``record_id``, or None where there can be no such record."""
    match = _ID.fullmatch(record_id)
    if match is None:
        return None
    try:
        return int(match[1]), EPOCH + timedelta(microseconds=int(match[2]))
    except OverflowError:
        return None


class RecordSort(StrEnum):
    """The orders of a list of records; ties are broken by time and series in the same direction."""

    OLDEST = "observed_at"
    NEWEST = "-observed_at"
    LOWEST = "value"
    HIGHEST = "-value"
    SOURCE = "source"
    SOURCE_REVERSED = "-source"
    CATEGORY = "category"
    CATEGORY_REVERSED = "-category"

    @property
    def column(self) -> str:
        """What is sorted by."""
        return self.value.lstrip("-")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.value.startswith("-")

    @property
    def reversed(self) -> "RecordSort":
        """The same order from its other end."""
        return RecordSort(self.column if self.descending else f"-{self.column}")


class SortedQuery(ReadingQuery):
    """Which records, in which order: what the list and the export of records share."""

    sort: RecordSort = RecordSort.NEWEST


class RecordQuery(SortedQuery, PageQuery):
    """Which records, in which order, and which page of them."""


@dataclass(frozen=True, slots=True)
class RecordAnomaly:
    """What a detector says of a record: of those that nobody dismissed, the one with the highest score."""

    id: str
    detector: str
    version: str
    kind: str
    score: float
    expected_low: float
    expected_high: float
    explanation: str
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """One stored reading."""

    id: str
    source: str
    category: str
    observed_at: datetime
    value: float
    unit: str | None
    note: str | None
    import_id: int | None
    anomaly: RecordAnomaly | None


class NewRecord(BaseModel):
    """A reading to store by hand. A series that does not exist yet is created with its unit."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(description=f"1 to {NAME_MAX} printable characters.", examples=["press-3"])]
    category: Annotated[str, Field(description=f"1 to {NAME_MAX} printable characters.", examples=["temperature"])]
    observed_at: Instant
    value: Annotated[float, Field(examples=[21.5], strict=True)]
    unit: Annotated[
        str | None,
        Field(description=f"Up to {UNIT_MAX} characters; when absent, the unit of the series.", examples=["°C"]),
    ] = None
    note: Note = None


class RecordChange(BaseModel):
    """What to change of a record; what is absent stays. Source, category and time are its identity and stay, too."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[float | None, Field(strict=True)] = None
    note: Annotated[Note, Field(description="Null removes the note.")] = None

    @field_validator("value")
    @classmethod
    def _is_there(cls, value: float | None) -> float:
        if value is None:
            raise ValueError("must be a number; leave it out to keep the one that is there")
        return value

    @model_validator(mode="after")
    def _changes_something(self) -> "RecordChange":
        if not self.model_fields_set:
            raise ValueError("name what to change: value, note or both")
        return self
