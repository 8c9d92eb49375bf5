"""Pages of a list that the server cuts: the place in the list lives in the address."""

from dataclasses import dataclass

import streamlit as st

from telltale_ui import times
from telltale_ui.api_client import Page


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
        return f"{self.name}_pages"

    def _cursors(self) -> list[str]:
        """The cursors that led here; after F5 only the last one is known, which is in the address."""
        held = st.session_state.get(self._state_key)
        if held is None:
            here = st.query_params.get(self._cursor_key)
            held = (self.signature, [here] if here else [])
        if held[0] != self.signature:
            held = (self.signature, [])
            st.query_params.pop(self._cursor_key, None)
        st.session_state[self._state_key] = held
        cursors: list[str] = held[1]
        return cursors

    @property
    def cursor(self) -> str | None:
        """What to ask the server for; ``None`` is the first page."""
        cursors = self._cursors()
        return cursors[-1] if cursors else None

    def _go(self, cursors: list[str]) -> None:
        st.session_state[self._state_key] = (self.signature, cursors)
        if cursors:
            st.query_params[self._cursor_key] = cursors[-1]
        else:
            st.query_params.pop(self._cursor_key, None)

    def show(self, page: Page, noun: str) -> None:
        """The total, and the buttons to move through the list."""
        cursors = self._cursors()
        with st.container(horizontal=True, vertical_alignment="center"):
            total = len(page.items) if page.total is None else page.total
            about = "" if page.total_is_exact else "about "
            with st.container(width="stretch"):
                zone = times.viewer_zone().key
                st.caption(f"{about}{total:,} {noun} · page {len(cursors) + 1} · times in {zone}")
            if not cursors and page.next_cursor is None:
                return
            if st.button("First", icon=":material/first_page:", key=f"{self.name}_first", disabled=not cursors):
                self._go([])
                st.rerun()
            if st.button("Previous", icon=":material/chevron_left:", key=f"{self.name}_previous", disabled=not cursors):
                self._go(cursors[:-1])
                st.rerun()
            if st.button(
                "Next", icon=":material/chevron_right:", key=f"{self.name}_next", disabled=page.next_cursor is None
            ):
                self._go([*cursors, str(page.next_cursor)])
                st.rerun()
