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

is_changed = feedback.show_done()
st.title("Records")
api = login.api()
user = login.user()
series = api.series()
selection = filter_bar("records", series, recent_imports())
actions = st.container(horizontal=True, vertical_alignment="center")
with actions:
    order = order_picker()
pager = Pager("records", selection.signature + order)
if is_changed:
    pager.forget_selection()


def fetch() -> tuple[Page, dict[str, Any]]:
    """The page, and what it was asked with."""
    asked = {**selection.params(), "sort": order}
    return pager.fetch(api.records, asked), asked


page, asked = pager.hold(fetch)
chosen: dict[str, Any] | None = None
if page.items:
    chosen = records_table(page, order, pager.table_key)
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
