"""What deletions look like outside."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from telltale_query.filters import ReadingQuery

KIND = "record_deletion"
"""Of the job."""


def _chooses(query: ReadingQuery) -> ReadingQuery:
    if query == ReadingQuery():
        raise ValueError("name at least one filter: without any, it would be every record there is")
    return query


DeletionFilter = Annotated[ReadingQuery, AfterValidator(_chooses)]
"""The filters of `GET /records`, at least one of them."""


class Deletion(BaseModel):
    """What to delete, and how many records that is as far as you know."""

    model_config = ConfigDict(extra="forbid")

    filter: DeletionFilter
    expected_count: int = Field(ge=0, description="`count` of the preview.")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a filter would delete right now."""

    count: int
    count_is_exact: bool
    """When false, there are at least so many."""
    filter: dict[str, Any]
    """The same filter with an end: without one, what is measured meanwhile would be deleted, too, and the count would
    never hold."""


def as_json(query: ReadingQuery) -> dict[str, Any]:
    """``query`` as it comes in, without what says nothing."""
    return query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
