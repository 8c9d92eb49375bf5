"""The dialog that exports the records on screen: how many they are, as what, and the files made before."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login, times
from telltale_ui.api_client import ApiError, Page, Params
from telltale_ui.exports.files import export_link
from telltale_ui.exports.recent import recent_exports

FORMATS = {
    "xlsx": ("Excel", "For spreadsheets: real times and numbers, and a sheet that says what it holds."),
    "csv": ("CSV", "Exact, and can be imported again."),
    "parquet": ("Parquet", "For data tools: small, typed and exact."),
}
DIRECT_ROWS = {"xlsx": 20_000, "csv": 200_000, "parquet": 50_000}
"""Up to so many rows a file begins to arrive within a second or two, so nobody has to wait for it to be made."""


def count_text(page: Page) -> str:
    """How many records the list holds that ``page`` is one of."""
    total = len(page.items) if page.total is None else page.total
    return f"{'' if page.total_is_exact else 'at least '}{total:,}"


def is_direct(page: Page, kind: str) -> bool:
    """Whether the file is short enough to be made while it is downloaded."""
    return page.total is not None and page.total_is_exact and page.total <= DIRECT_ROWS[kind]


@st.dialog("Export", icon=":material/download:", width="medium")
def export_dialog(page: Page, asked: Params) -> None:
    """The choice of a file of all pages of the list that ``page`` is one of.

    Args:
        page: it says how many records there are.
        asked: the filters and the order of the list.
    """
    st.markdown(f"**{count_text(page)} records** match the filters on screen.")
    kind = st.segmented_control(
        "File",
        list(FORMATS),
        default="xlsx",
        required=True,
        key="export_format",
        format_func=lambda one: FORMATS[one][0],
    )
    zone = times.viewer_zone().key if kind == "xlsx" else "UTC"
    st.caption(f"{FORMATS[kind][1]} Times in {zone}.")
    asked = {**asked, "time_zone": zone if kind == "xlsx" else None}
    if not page.items:
        st.caption("There is nothing to export.")
    elif is_direct(page, kind):
        st.link_button(
            "Download", export_link(kind, asked), icon=":material/download:", type="primary", key="export_download"
        )
    elif st.button("Prepare the file", icon=":material/hourglass_top:", type="primary", key="export_start"):
        _start({**asked, "format": kind})
    recent_exports()


def _start(asked: dict[str, Any]) -> None:
    try:
        login.api().start_export(asked)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
