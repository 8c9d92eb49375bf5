"""Keyset paging both ways: a cursor names an item at the edge of a page, so that changes elsewhere shift nothing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, or_

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


class Cursor(msgspec.Struct, Generic[Key], frozen=True, array_like=True):
    """A place between two items of a list, and which way to read on from it."""

    back: bool
    key: Key


@dataclass(frozen=True)
class Window(Generic[Key]):
    """Which part of a list is asked for: the items that follow a place in it, or those right before it.

    Whoever reads it back to front gives the items in the order of reading; :meth:`Page.cut` turns them round.
    """

    limit: int
    """Items on a page."""
    key: Key | None = None
    """The place; the beginning of the list where None."""
    back: bool = False

    @classmethod
    def of(cls, limit: int, cursor: str | None, kind: type[Key]) -> "Window[Key]":
        """The window that a request asks for.

        Args:
            limit: items on a page.
            cursor: as a page gave it; None asks for the first page.
            kind: what this list's cursors hold.

        Raises:
            InvalidRequest: not a cursor of this list.
        """
        if cursor is None:
            return cls(limit)
        decoded = decode_cursor(cursor, Cursor[kind])  # type: ignore[valid-type]  # a class that is known at run time
        return cls(limit, decoded.key, decoded.back)

    @property
    def fetch(self) -> int:
        """Items to read: one more than a page holds tells that another page follows."""
        return self.limit + 1

    def narrow(
        self,
        statement: Select[Any],
        order: Sequence[ColumnElement[Any]],
        place: Callable[[Key], Sequence[object]],
        *,
        descending: bool,
    ) -> Select[Any]:
        """``statement`` for this window only.

        Args:
            statement: selects the whole list.
            order: the columns that the list is sorted by, the last of them unique.
            place: their values in the key of a cursor.
            descending: whether the list begins with the largest.
        """
        descending ^= self.back
        ordered = statement.order_by(*(column.desc() if descending else column.asc() for column in order))
        if self.key is not None:
            ordered = ordered.where(beyond(order, place(self.key), descending=descending))
        return ordered.limit(self.fetch)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None
    """Ask with it for the page that follows; null on the last one."""
    previous_cursor: str | None
    """Ask with it for the page before; null on the first one."""
    total: int
    """Items on all pages; at least so many when ``total_is_exact`` is false."""
    total_is_exact: bool

    @classmethod
    def cut(
        cls,
        fetched: Sequence[Item],
        window: Window[Key],
        total: Total,
        key_of: Callable[[Item], Key],
        *,
        searched_to: Key | None = None,
    ) -> "Page[Item]":
        """The page in ``fetched``, which holds one item more than a page when another page follows.

        Args:
            fetched: the items in the order of reading.
            window: what was asked for.
            total: of the whole list.
            key_of: the place of an item in the list.
            searched_to: where a search was broken off before it had filled the page; it goes on there.
        """
        more = len(fetched) > window.limit
        items = list(fetched[: window.limit])
        # Where the reading goes on, and where it came from. With nothing in between, that is one place.
        ahead = searched_to if not more else key_of(items[-1])
        behind = None if window.key is None else key_of(items[0]) if items else window.key
        if window.back:
            items.reverse()
            ahead, behind = behind, ahead
        return cls(items, _cursor(ahead, back=False), _cursor(behind, back=True), total.count, total.exact)


def _cursor(key: object | None, *, back: bool) -> str | None:
    return None if key is None else encode_cursor(Cursor(back, key))


def encode_cursor(key: object) -> str:
    """An opaque text that holds ``key``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """The key in ``cursor``.

    Raises:
        InvalidRequest: not a cursor of this list.
    """
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
