"""What requests may say: names of series, words for people, instants."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from telltale_shared.instants import instant
from telltale_shared.validation import NAME_MAX

NAMES_MAX = 200
"""Sources or categories that one rule or silence names."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


def _sorted(names: list[str]) -> list[str]:
    return sorted(set(names))


Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_printable)
]
"""What people call something."""
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_printable)]
Names = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=NAME_MAX), AfterValidator(_printable)]],
    Field(max_length=NAMES_MAX),
    AfterValidator(_sorted),
]
"""Names of sources or categories; empty means all."""


def outside(microseconds: int) -> datetime:
    """µs since 1970-01-01 UTC as it goes out."""
    return instant(microseconds).replace(tzinfo=UTC)


def outside_or_none(microseconds: int | None) -> datetime | None:
    """Like :func:`outside`; None stays None."""
    return None if microseconds is None else outside(microseconds)
