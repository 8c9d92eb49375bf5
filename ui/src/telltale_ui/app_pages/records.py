"""Stored readings: filtered, sorted and paged by the server; made, edited and deleted in dialogs."""

from typing import Any

import streamlit as st

from telltale_ui import exports, feedback, login, tables
from telltale_ui.api_client import Page
from telltale_ui.filters import filter_bar
from telltale_ui.paging import Pager
from telltale_ui.record_dialogs import create_dialog, delete_dialog, edit_dialog

SORTS = {
    "Newest first": "-observed_at",
    "Oldest first": "observed_at",
    "Highest value": "-value",
    "Lowest value": "value",
}
COLUMNS = {
    "observed_at": "Observed at",
    "source": "Source",
    "category": "Category",
    "value": "Value",
    "unit": "Unit",
    "anomaly": "Anomaly",
    "note": "Note",
}


def anomaly_text(anomaly: Any) -> str | None:
    """The judgement of a record in a word or two."""
    if not anomaly:
        return None
    if isinstance(anomaly, dict):
        verdict = anomaly.get("verdict")
        return f"score {anomaly['score']:.1f}" + (f", {verdict}" if verdict else "")
    return "yes"


# A new table forgets the selection of the record that was just changed.
version = st.session_state.setdefault("records_version", 0) + feedback.show_done()
st.session_state["records_version"] = version
st.title("Records")
api = login.api()
may_edit = login.user().may("USER")
series = api.series()
selection = filter_bar(series, default_span="1 h")
with st.container(horizontal=True, vertical_alignment="bottom"):
    sort = st.selectbox("Order", list(SORTS), key="sort", bind="query-params", width=170)
    low = st.number_input(
        "Lowest value", value=None, key="min_value", bind="query-params", width=150, placeholder="any", format="%g"
    )
    high = st.number_input(
        "Highest value", value=None, key="max_value", bind="query-params", width=150, placeholder="any", format="%g"
    )
    only_anomalous = st.toggle("Anomalies only", key="anomalous", bind="query-params")

filters = {"min_value": low, "max_value": high, "anomalous": True if only_anomalous else None, "sort": SORTS[sort]}
pager = Pager("records", selection.signature + repr(filters))
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
    asked = {**selection.params(), **filters}
    fetched = api.records({**asked, "limit": pager.size, "cursor": pager.cursor})
    st.session_state["records_page"] = (place, (fetched, asked))
    return fetched, asked


page, asked = fetch()

if not page.items:
    feedback.show_empty(
        "No records match",
        "Widen the range or clear a filter. New readings appear here as soon as they are stored.",
        icon=":material/search_off:",
    )
chosen: dict[str, Any] | None = None
actions = st.container(horizontal=True, vertical_alignment="center")
if page.items:
    rows = [{**row, "anomaly": anomaly_text(row.get("anomaly"))} for row in page.items]
    picked = st.dataframe(
        tables.frame(rows, COLUMNS, instants=["observed_at"]),
        key=table_key,
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={
            "Observed at": tables.instant_column(precise=True),
            "Value": st.column_config.NumberColumn(format="%g"),
        },
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        alt="Stored readings",
    )
    if may_edit and picked["selection"]["rows"]:
        chosen = page.items[picked["selection"]["rows"][0]]
    pager.show(page, "records")

with actions:
    exports.popover(page, asked)
    if may_edit:
        if st.button("New record", icon=":material/add:", key="record_new"):
            create_dialog(series)
        if st.button("Edit", icon=":material/edit:", key="record_edit", disabled=chosen is None) and chosen:
            edit_dialog(*api.record(chosen["id"]))
        if st.button("Delete", icon=":material/delete:", key="record_delete", disabled=chosen is None) and chosen:
            delete_dialog(*api.record(chosen["id"]))
        if chosen is None:
            st.caption("Select a row to edit or delete it.")
