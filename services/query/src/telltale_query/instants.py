"""Instants in requests and answers: RFC 3339 with an offset outside, naive UTC datetimes inside."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from telltale_shared.instants import EPOCH

FAR_FUTURE = datetime(9999, 12, 31)  # noqa: DTZ001 - naive UTC; a whole day, so that it is a bound of every rollup
"""Later than any record."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_EXPECTED = "must be an RFC 3339 time with an offset, like 2026-11-23T08:00:00Z or 2026-11-23T09:00:00+01:00"


def _is_rfc_3339(text: object) -> object:
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        raise ValueError(f"{_EXPECTED} (in a URL, write the + as %2B)")
    return text


def _to_naive_utc(at: datetime) -> datetime:
    try:
        naive = at.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError("lies outside of the years 1970 to 9999") from error
    if not EPOCH <= naive <= FAR_FUTURE:
        raise ValueError("lies outside of the years 1970 to 9999")
    return naive


Instant = Annotated[
    datetime,
    BeforeValidator(_is_rfc_3339),
    AfterValidator(_to_naive_utc),
    PlainSerializer(lambda at: f"{at.isoformat()}Z", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T08:00:00Z"]}),
]
"""An instant in a request; naive UTC once it is validated, and as it came in JSON."""


def outside(at: datetime) -> datetime:
    """The naive UTC datetime ``at`` as it goes out: aware, so that its JSON ends with ``Z``."""
    return at.replace(tzinfo=UTC)


def outside_or_none(at: datetime | None) -> datetime | None:
    """Like :func:`outside`; None stays None."""
    return None if at is None else at.replace(tzinfo=UTC)
