"""Lists by id, newest first: where a page begins, and where it is cut."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from telltale_shared.lists import Page, cursor_after, invalid_cursor, key_of


class Numbered(BaseModel):
    """What has a number as its id."""

    id: str


Item = TypeVar("Item", bound=Numbered)


def before(cursor: str | None) -> int | None:
    """The id below which the page begins; None for the first page.

    Raises:
        InvalidRequest: the cursor is not one of ours.
    """
    key = key_of(cursor)
    if key is not None and not (key.isascii() and key.isdigit() and len(key) < 19):
        raise invalid_cursor()
    return None if key is None else int(key)


def cut(fetched: Sequence[Item], limit: int, total: int, *, exact: bool = True) -> Page[Item]:
    """The page in ``fetched``, which holds one item more than a page when another one follows."""
    items = list(fetched[:limit])
    following = cursor_after(items[-1].id) if len(fetched) > limit else None
    return Page(items=items, next_cursor=following, total=total, total_is_exact=exact)
