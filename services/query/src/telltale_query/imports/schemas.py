"""What an import looks like, inside and outside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from telltale_query.filters import PageQuery
from telltale_query.imports.header import COLUMNS
from telltale_query.jobs.schemas import Job
from telltale_shared.store.audit import Actor
from telltale_shared.validation import NAME_MAX, UNIT_MAX

MAPPING_MAX = 4_000
"""Characters."""


class ImportState(StrEnum):
    """How far an import is."""

    CHECKING = "checking"
    REJECTED = "rejected"
    CHECKED = "checked"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORKING = (ImportState.CHECKING, ImportState.APPLYING, ImportState.UNDOING)
"""A job is on it."""


def _none_if_empty(text: object) -> object:
    return None if text == "" else text


def _delimiter(text: object) -> object:
    return "tab" if text == "\t" else text


class ImportOptions(BaseModel):
    """How a file is to be taken."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Check every row, store nothing; apply it later, or forget it.")
    on_conflict: Literal["keep", "replace"] = Field(
        "keep", description="What happens where another value is stored for the same series and time."
    )
    on_error: Literal["reject", "skip"] = Field(
        "reject", description="Whether one bad row rejects the whole file, or is left out."
    )
    delimiter: Annotated[Literal["auto", ",", ";", "tab"], BeforeValidator(_delimiter)] = Field(
        "auto", description="What separates the columns."
    )
    time_zone: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        max_length=64,
        description="The zone of times that name no offset, like `Europe/Berlin`. Without it such a time is an error.",
    )
    mapping: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        max_length=MAPPING_MAX,
        description='What the file calls our columns, as JSON: `{"observed_at": "Time", "value": "Reading"}`. '
        "Columns that it does not name are left out. Without it the file must use our names, and no others.",
    )
    source: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None, max_length=NAME_MAX, description="The source of all rows, where the file has no such column."
    )
    category: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None, max_length=NAME_MAX, description="The category of all rows, where the file has no such column."
    )
    unit: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None, max_length=UNIT_MAX, description="The unit of all rows, where the file has no such column."
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError("must be the name of a time zone, like Europe/Berlin or UTC") from error
        return name

    @field_validator("mapping")
    @classmethod
    def _maps_our_columns(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                mapping = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ValueError("must be JSON") from error
            if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
                raise ValueError('must be an object of names, like {"value": "Reading"}')
            if unknown := mapping.keys() - set(COLUMNS):
                raise ValueError(f"{sorted(unknown)[0]!r} is none of our columns, which are {', '.join(COLUMNS)}")
        return text

    @property
    def columns(self) -> Mapping[str, str] | None:
        """``mapping`` read."""
        return None if self.mapping is None else json.loads(self.mapping)

    @property
    def constants(self) -> Mapping[str, str]:
        """What all rows have."""
        given = {"source": self.source, "category": self.category, "unit": self.unit}
        return {name: text for name, text in given.items() if text}

    @property
    def separator(self) -> str | None:
        """The character that separates the columns; None where it is to be found."""
        return {"auto": None, "tab": "\t"}.get(self.delimiter, self.delimiter)

    @property
    def zone(self) -> ZoneInfo | None:
        """``time_zone`` looked up."""
        return None if self.time_zone is None else ZoneInfo(self.time_zone)


class PreviewOptions(BaseModel):
    """How the beginning of a file is to be read."""

    model_config = ConfigDict(extra="forbid")

    delimiter: Annotated[Literal["auto", ",", ";", "tab"], BeforeValidator(_delimiter)] = "auto"


class ImportQuery(PageQuery):
    """Which page of imports."""

    state: list[ImportState] = Field([], description="Only these states; repeat it for several.")


class ErrorQuery(PageQuery):
    """Which page of errors, or all of them as a file."""

    format: Literal["json", "csv"] = Field("json", description="`csv` downloads all that were kept.")


@dataclass(frozen=True, slots=True)
class ImportRows:
    """How many rows of a file became what."""

    read: int
    """Without blank lines."""
    good: int
    bad: int
    stored: int
    """New records."""
    repeated: int
    """Were stored already with this value, or are twice in the file."""
    kept: int
    """Were left out: another value is stored, and stayed."""
    replaced: int
    """Gave their value to a record that had another one."""
    undone: int
    """Of the stored ones: removed again."""
    restored: int
    """Of the replaced ones: have their old value back."""
    left: int
    """Edited or deleted since, so undo left them as they are."""


@dataclass(frozen=True, slots=True)
class Import:
    """One file, and what became of it."""

    id: int
    state: ImportState
    file_name: str
    file_bytes: int
    sha256: str | None
    options: Mapping[str, Any]
    rows: ImportRows
    job: Job | None
    """What works on it now, or worked last; null once that is forgotten."""
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    undone_at: datetime | None
    undone_by: str | None
    can_undo: bool
    """Whether you may undo it now."""


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An import as its worker sees it."""

    id: int
    state: ImportState
    job_id: int
    undo_job_id: int | None
    file_name: str
    file_bytes: int
    complete: bool
    """Whether the whole file has arrived."""
    options: ImportOptions
    problem: str | None
    """Why what was stored is being taken back."""
    rows: ImportRows
    owner: Actor
    apply_began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why one row cannot be stored."""

    line: int
    column: str | None
    """As the file calls it; null where the whole row is meant."""
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a file, and how it would be read."""

    delimiter: str
    """`,`, `;` or `tab`."""
    header: list[str]
    mapping: dict[str, str | None]
    """For each of our columns the one of the file that it probably is."""
    rows: list[list[str]]
    problems: list[Mistake]
