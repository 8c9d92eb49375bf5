"""The query parameters that several lists share. An unknown one is an error: no filter is lost to a typo."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from telltale_query.instants import Instant
from telltale_query.paging import DEFAULT_LIMIT, PAGE_LIMIT

NAMES_MAX = 200


def storable(name: str) -> str:
    """``name``, provided that the database can be asked for it."""
    # JSON may name halves of characters, which the database cannot even be asked for.
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("holds characters that cannot be stored")
    return name


Names = Annotated[list[Annotated[str, AfterValidator(storable)]], Field(max_length=NAMES_MAX)]

Word = Annotated[str, Field(max_length=64, pattern=r"^[ -~]*$")]
"""A word of ours, like a kind or a reason. Its column is ASCII and cannot be compared with other text."""


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=PAGE_LIMIT, description="Items on a page.")
    cursor: str | None = Field(None, max_length=1_000, description="`next_cursor` or `previous_cursor` of a page.")


class SeriesQuery(BaseModel):
    """Which series."""

    model_config = ConfigDict(extra="forbid")

    source: Names = Field([], description="Only these sources; repeat it for several.")
    category: Names = Field([], description="Only these categories; repeat it for several.")


class RangeQuery(BaseModel):
    """Which half-open range of time."""

    model_config = ConfigDict(extra="forbid")

    start: Instant | None = Field(None, alias="from", description="From this instant on.")
    end: Instant | None = Field(None, alias="to", description="Before this instant.")


class ReadingQuery(SeriesQuery, RangeQuery):
    """Which readings: the filters that records, export and analytics share."""

    min_value: float | None = Field(None, allow_inf_nan=False, description="Only values of at least this.")
    max_value: float | None = Field(None, allow_inf_nan=False, description="Only values of at most this.")
    anomalous: bool | None = Field(
        None,
        description="`true`: only readings that a detector holds to be unusual and that nobody dismissed; "
        "`false`: only the others.",
    )
    import_id: int | None = Field(None, ge=1, le=2**32 - 1, description="Only readings that this import stored.")
