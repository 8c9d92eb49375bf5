"""Pages of a list that the server cuts: the place in the list lives in the address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import streamlit as st

from telltale_ui import times
from telltale_ui.api_client import Page, Params

Shown = TypeVar("Shown")


def counted(count: int, noun: str) -> str:
    """``1 record``, ``2 records``, ``1 entry``."""
    if count == 1:
        noun = f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"{count:,} {noun}"


@dataclass(frozen=True)
class _Place:
    """Where in the list we are."""

    signature: str
    cursor: str | None = None
    """What to ask the server for; ``None`` is the first page."""
    number: int | None = 1
    """Counted from 1; ``None`` where nobody knows: after F5, or when the list grew at its beginning."""
    before: tuple[str | None, ...] = ()
    """The cursors that led here, for lists that know no way back."""


@dataclass(frozen=True)
class Pager:
    """The place in one list; another ``signature`` (filters, sorting) starts at its first page."""

    name: str
    signature: str
    size: int = 50

    @property
    def _cursor_key(self) -> str:
        return f"{self.name}_after"

    @property
    def _state_key(self) -> str:
        return f"{self.name}_place"

    def _place(self) -> _Place:
        held: _Place | None = st.session_state.get(self._state_key)
        if held is None:
            here = st.query_params.get(self._cursor_key)
            held = _Place(self.signature, here, None if here else 1)
        if held.signature != self.signature:
            held = _Place(self.signature)
        self._go(held)
        return held

    @property
    def cursor(self) -> str | None:
        """What to ask the server for; ``None`` is the first page."""
        return self._place().cursor

    @property
    def table_key(self) -> str:
        """The key of the table that shows the page: what is selected in it is forgotten on another page or list."""
        version = st.session_state.get(self._version_key, 0)
        return f"{self.name}_table_{version}_{self.cursor}_{self.signature}"

    @property
    def _version_key(self) -> str:
        return f"{self.name}_version"

    def forget_selection(self) -> None:
        """Begin with a new table: what was selected has changed."""
        st.session_state[self._version_key] = st.session_state.get(self._version_key, 0) + 1

    def fetch(self, ask: Callable[[Params], Page], params: Params) -> Page:
        """The page at this place, as ``ask`` gives it; the first one where a later one has emptied."""
        asked = {**params, "limit": self.size}
        page = ask({**asked, "cursor": self.cursor})
        if page.items or self.cursor is None:
            return page
        self._go(_Place(self.signature))
        return ask(asked)

    def hold(self, fetch: Callable[[], Shown]) -> Shown:
        """What ``fetch`` gives; while rows of the table are selected, what it gave before.

        Otherwise what is new in the list would move another row under the mark.
        """
        held_key = f"{self.name}_held"
        held: tuple[str, Shown] | None = st.session_state.get(held_key)
        selected = st.session_state.get(self.table_key, {}).get("selection", {}).get("rows")
        if held and held[0] == self.table_key and selected:
            return held[1]
        shown = fetch()
        st.session_state[held_key] = (self.table_key, shown)
        return shown

    def _go(self, place: _Place) -> None:
        st.session_state[self._state_key] = place
        if place.cursor is None:
            st.query_params.pop(self._cursor_key, None)
        elif st.query_params.get(self._cursor_key) != place.cursor:
            st.query_params[self._cursor_key] = place.cursor

    def _back(self, place: _Place, page: Page) -> _Place | None:
        """The page before: by the server's own cursor, which also finds what was added meanwhile."""
        number = place.number - 1 if place.number and place.number > 1 else None
        if page.previous_cursor:
            return _Place(self.signature, page.previous_cursor, number, place.before[:-1])
        if place.before:
            return _Place(self.signature, place.before[-1], number, place.before[:-1])
        return _Place(self.signature) if place.cursor else None

    def show(self, page: Page, noun: str, *, timed: bool = True) -> None:
        """The total, and the buttons to move through the list.

        Args:
            page: the page on screen.
            noun: what the items are called, in the plural.
            timed: whether the items carry times, whose zone is then named.
        """
        place = self._place()
        following = replace(
            place,
            cursor=page.next_cursor,
            number=place.number + 1 if place.number else None,
            before=(*place.before, place.cursor),
        )
        back = self._back(place, page)
        with st.container(horizontal=True, vertical_alignment="center"):
            total = len(page.items) if page.total is None else page.total
            alone = back is None and page.next_cursor is None
            parts = [("" if page.total_is_exact else "at least ") + counted(total, noun)]
            if place.number and not alone:
                parts.append(f"page {place.number:,}")
            if timed:
                parts.append(f"times in {times.viewer_zone().key}")
            with st.container(width="stretch"):
                st.caption(" · ".join(parts))
            if alone:
                return
            for label, icon, key, target in (
                ("First", "first_page", "first", _Place(self.signature) if place.cursor else None),
                ("Previous", "chevron_left", "previous", back),
                ("Next", "chevron_right", "next", following if page.next_cursor else None),
            ):
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"{self.name}_{key}",
                    disabled=target is None,
                    on_click=self._go,
                    args=(target,),
                )
