"""Stored readings: filtered, sorted and paged by the server; made, edited, deleted and exported in dialogs."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import Page
from telltale_ui.exports.dialog import export_dialog
from telltale_ui.filters import filter_bar
from telltale_ui.imports.recent import recent_imports
from telltale_ui.paging import Pager
from telltale_ui.records.deletion import open_dialog as open_deletion
from telltale_ui.records.dialogs import create_dialog, delete_dialog, edit_dialog
from telltale_ui.records.table import order_picker, records_table

# A new table forgets the selection of the record that was just changed.
version = st.session_state.setdefault("records_version", 0) + feedback.show_done()
st.session_state["records_version"] = version
st.title("Records")
api = login.api()
user = login.user()
series = api.series()
selection = filter_bar("records", series, recent_imports())
actions = st.container(horizontal=True, vertical_alignment="center")
with actions:
    order = order_picker()
pager = Pager("records", selection.signature + order)
table_key = f"records_table_{version}_{pager.cursor}"


def fetch() -> tuple[Page, dict[str, Any]]:
    """The page, and what it was asked with.

    It is the one on screen while a row is selected: new readings must not move another under the mark.
    """
    place = (pager.signature, table_key)
    held = st.session_state.get("records_page")
    selected = st.session_state.get(table_key, {}).get("selection", {}).get("rows")
    if held and held[0] == place and selected:
        shown: tuple[Page, dict[str, Any]] = held[1]
        return shown
    asked = {**selection.params(), "sort": order}
    fetched = api.records({**asked, "limit": pager.size, "cursor": pager.cursor})
    st.session_state["records_page"] = (place, (fetched, asked))
    return fetched, asked


page, asked = fetch()
chosen: dict[str, Any] | None = None
if page.items:
    chosen = records_table(page, order, table_key)
    pager.show(page, "records")
else:
    feedback.show_empty(
        "No records match",
        "Widen the range or clear a filter. New readings appear here as soon as they are stored.",
        icon=":material/search_off:",
    )

with actions:
    if st.button("Export", icon=":material/download:", key="record_export"):
        export_dialog(page, asked)
    if user.may("USER"):
        if st.button("Import", icon=":material/upload:", key="record_import"):
            st.switch_page("app_pages/imports.py")
        if st.button("New record", icon=":material/add:", key="record_new"):
            create_dialog(series)
        if st.button("Edit", icon=":material/edit:", key="record_edit", disabled=chosen is None) and chosen:
            edit_dialog(chosen["id"])
        if st.button("Delete", icon=":material/delete:", key="record_delete", disabled=chosen is None) and chosen:
            delete_dialog(chosen["id"])
    if user.may("ADMIN") and st.button(
        "Delete all that match", icon=":material/delete_sweep:", key="record_delete_all", disabled=not page.items
    ):
        open_deletion(selection)
    if user.may("USER") and page.items and chosen is None:
        st.caption("Select a row to edit or delete it.")
