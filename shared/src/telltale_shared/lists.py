"""Lists that are read forward only: their envelope, their cursor, and how instants are written."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator

from telltale_shared.errors import FieldError, InvalidRequest

Item = TypeVar("Item")


def _as_utc(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Instant = Annotated[datetime, BeforeValidator(_as_utc)]
"""An instant in UTC; the database's naive ones become aware."""

Limit = Annotated[int, Query(ge=1, le=1_000, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=1_100, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None
    total: int
    total_is_exact: bool = True


def cursor_after(key: str) -> str:
    """The opaque cursor of the page that starts after ``key``."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def key_of(cursor: str | None) -> str | None:
    """The key that :func:`cursor_after` hid in ``cursor``.

    Raises:
        InvalidRequest: the cursor is not one of ours.
    """
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise invalid_cursor() from error


def invalid_cursor() -> InvalidRequest:
    """The error that answers a cursor that no list gave out."""
    wrong = FieldError(field="cursor", message="not a cursor of this list")
    return InvalidRequest("check cursor; leave it out to start at the first page", errors=[wrong])
