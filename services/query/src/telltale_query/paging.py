"""Keyset paging: a cursor names the last item of a page, so that changes elsewhere do not shift the next."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, and_, or_

from telltale_shared.errors import FieldError, InvalidRequest

PAGE_LIMIT = 1_000
DEFAULT_LIMIT = 50

RowId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""The id of a row in a cursor: no larger than the database can compare with."""

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Total:
    """How many items there are on all pages: exactly, or at least."""

    count: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None
    """Ask with it for the next page; null on the last one."""
    total: int
    """Items on all pages; at least so many when ``total_is_exact`` is false."""
    total_is_exact: bool

    @classmethod
    def cut(cls, fetched: list[Item], limit: int, total: Total, key_of: Callable[[Item], object]) -> "Page[Item]":
        """The page in ``fetched``, which holds one item more than ``limit`` when another page follows.

        Args:
            fetched: the items in the order of the list.
            limit: items on a page.
            total: of the whole list.
            key_of: what the cursor must hold for the next page to begin after this item.
        """
        items = fetched[:limit]
        more = encode_cursor(key_of(items[-1])) if len(fetched) > limit else None
        return cls(items, more, total.count, total.exact)


def encode_cursor(key: object) -> str:
    """An opaque text that holds ``key``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[Key]) -> Key | None:
    """The key in ``cursor``, or None for the first page.

    Raises:
        InvalidRequest: not a cursor of this list.
    """
    if cursor is None:
        return None
    try:
        body = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        return msgspec.json.decode(body, type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise bad_cursor() from error


def bad_cursor() -> InvalidRequest:
    """What is raised for a cursor that does not belong to this list."""
    message = "is not a cursor of this list with this sort: start again without one"
    return InvalidRequest(f"cursor {message}", errors=[FieldError(field="cursor", message=message)])


def beyond(columns: Sequence[ColumnElement[Any]], values: Sequence[object], *, descending: bool) -> ColumnElement[bool]:
    """The rows that follow ``values`` in the order of ``columns``, all ascending or all descending.

    The first column is bounded on its own as well, so that an index on it is read from the right place.
    """

    def past(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
        return column < value if descending else column > value

    def equal(until: int) -> list[ColumnElement[bool]]:
        return [column == value for column, value in zip(columns[:until], values[:until], strict=True)]

    steps = [
        and_(*equal(n), past(column, value)) for n, (column, value) in enumerate(zip(columns, values, strict=True))
    ]
    bound = columns[0] <= values[0] if descending else columns[0] >= values[0]
    return and_(bound, or_(*steps))
