"""Filters that go along from page to page, also when the first of them is left at once."""

from typing import Any

import streamlit as st

EMPTY: dict[str, Any] = {
    "source": [],
    "category": [],
    "span": None,
    "from": "",
    "to": "",
    "min_value": None,
    "max_value": None,
    "anomalous": False,
    "import": None,
}
"""The widgets of the filter bar by key, each with what chooses nothing."""
_HELD = "filters_held"


def restore(page: str) -> None:
    """Choose what was chosen on the page before; call it before the widgets.

    Streamlit itself takes bound values along, except from a page that was left in or after its first run. Then widget
    and address are told apart from each other: neither would follow the other before the second run of this page.
    """
    held_page, held = st.session_state.get(_HELD, (page, {}))
    if held_page == page:
        return
    for key, value in held.items():
        if key not in st.query_params:
            st.session_state[key] = value
            st.query_params[key] = value if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return "true" if value is True else str(value)


def hold(page: str) -> None:
    """Remember what is chosen; call it after the widgets."""
    chosen = {key: st.session_state.get(key) for key in EMPTY}
    st.session_state[_HELD] = (page, {key: value for key, value in chosen.items() if value != EMPTY[key]})


def open_with(page: str, **chosen: str) -> None:
    """Open a page with exactly these filters, whatever was chosen before."""
    st.session_state.update({**{key: value for key, value in EMPTY.items() if key != "span"}, **chosen})
    st.session_state.pop(_HELD, None)
    st.switch_page(page, query_params=chosen)
