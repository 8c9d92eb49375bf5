"""The records on screen as a file: how many they are, and the links to get them."""

import httpx
import streamlit as st

from telltale_ui.api_client import Page, Params, given

_KINDS = {
    "CSV": ("csv", ":material/csv:", "Exact, and can be imported again."),
    "Excel": ("xlsx", ":material/table_view:", "For spreadsheets, with a manifest sheet. Times in UTC."),
}


def link(kind: str, asked: Params) -> str:
    """The address of the records that ``asked`` lists, as a file."""
    return f"/export?{httpx.QueryParams({'format': kind, **given(asked)})}"


def popover(page: Page, asked: Params) -> None:
    """The choice of a file of all pages of the list that ``page`` is one of.

    Args:
        page: it says how many records there are.
        asked: the filters and the order of the list.
    """
    with st.popover("Export", icon=":material/download:", disabled=not page.items, key="record_export"):
        total = len(page.items) if page.total is None else page.total
        about = "" if page.total_is_exact else "at least "
        st.markdown(f"**{about}{total:,} records** match the filters on screen.")
        for label, (kind, icon, purpose) in _KINDS.items():
            st.link_button(label, link(kind, asked), icon=icon, help=purpose, width="stretch")
        st.caption("A large Excel file starts to arrive once it is complete: a minute or two per million records.")
