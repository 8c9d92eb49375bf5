"""What an export is asked with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from telltale_query.jobs.schemas import JobState
from telltale_query.records.schemas import SortedQuery

KIND = "export"
"""The kind of job that makes a file."""


class ExportFormat(StrEnum):
    """The kinds of file."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """As ``Content-Type``."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


class ExportState(StrEnum):
    """How far an export is: as its job, until its file has been deleted."""

    QUEUED = JobState.QUEUED.value
    RUNNING = JobState.RUNNING.value
    DONE = JobState.DONE.value
    FAILED = JobState.FAILED.value
    CANCELLED = JobState.CANCELLED.value
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Export:
    """A file in the making, or made."""

    id: int
    state: ExportState
    phase: str | None
    """What is being done: `writing` the records, then `storing` the file."""
    format: ExportFormat
    file_name: str
    rows_done: int
    rows_total: int | None
    """Null where the filter looks at single records: nobody has counted them."""
    rate: float | None
    """Records a second."""
    bytes: int | None
    """Of the file, once it is there."""
    sha256: str | None
    """Of the file, in hexadecimal digits."""
    problem: str | None
    """Why there is no file."""
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    """When the file is deleted."""


class ExportQuery(SortedQuery):
    """Which records, in which order, and in what kind of file."""

    format: ExportFormat = Field(
        description="`csv`: exact, can be imported again; `xlsx`: for Excel; `parquet`: typed columns for programs."
    )
    time_zone: str = Field(
        "UTC",
        max_length=64,
        description="The IANA time zone of the times in an Excel file, like `Europe/Berlin`. The other formats hold "
        "UTC and take no other.",
    )

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("must be an IANA time zone, like Europe/Berlin")
        return name

    @model_validator(mode="after")
    def _has_zone(self) -> "ExportQuery":
        if self.time_zone != "UTC" and self.format is not ExportFormat.XLSX:
            raise ValueError(f"time_zone is for xlsx only: the times in {self.format} are UTC")
        return self
