"""What an export is asked with."""

from enum import StrEnum

from pydantic import Field

from telltale_query.records.schemas import SortedQuery


class ExportFormat(StrEnum):
    """The kinds of file."""

    CSV = "csv"
    XLSX = "xlsx"

    @property
    def media_type(self) -> str:
        """As ``Content-Type``."""
        if self is ExportFormat.CSV:
            return "text/csv; charset=utf-8"
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportQuery(SortedQuery):
    """Which records, in which order, and in what kind of file."""

    format: ExportFormat = Field(description="`csv`: exact, can be imported again; `xlsx`: for Excel.")
