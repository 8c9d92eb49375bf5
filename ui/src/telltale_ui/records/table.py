"""The table of records: one page of rows, whose headings sort the whole list on the server."""

from typing import Any

import streamlit as st

from telltale_ui import tables
from telltale_ui.api_client import Page

SORTS = {
    "Newest first": "-observed_at",
    "Oldest first": "observed_at",
    "Highest value": "-value",
    "Lowest value": "value",
    "Source A to Z": "source",
    "Source Z to A": "-source",
    "Category A to Z": "category",
    "Category Z to A": "-category",
}
_LABELS = {order: label for label, order in SORTS.items()}
_COLUMNS = {
    "observed_at": "Observed at",
    "source": "Source",
    "category": "Category",
    "value": "Value",
    "unit": "Unit",
    "anomaly": "Anomaly",
    "note": "Note",
    "import_id": "Import",
}
_FIRST_ORDER = {"observed_at": "-observed_at", "value": "-value", "source": "source", "category": "category"}
"""Which way a click on a heading sorts first."""


def order_picker() -> str:
    """The order of the list, as the server takes it; the headings of the table set it, too."""
    label = st.selectbox("Order", list(SORTS), key="sort", bind="query-params", width=180, label_visibility="collapsed")
    return SORTS[label]


def heading(field: str, order: str) -> str:
    """The heading of a column, with an arrow where the list is sorted by it."""
    if order.lstrip("-") != field:
        return _COLUMNS[field]
    return f"{_COLUMNS[field]} {'↓' if order.startswith('-') else '↑'}"


def clicked_order(field: str, order: str) -> str | None:
    """The order that a click on a heading asks for; ``None`` where the server cannot sort by that column."""
    if order.lstrip("-") == field:
        return order[1:] if order.startswith("-") else f"-{order}"
    return _FIRST_ORDER.get(field)


def anomaly_text(anomaly: Any) -> str | None:
    """The judgement of a record in a word or two."""
    if not anomaly:
        return None
    verdict = anomaly.get("verdict")
    return f"score {anomaly['score']:.1f}" + (f", {verdict}" if verdict else "")


def _sort_by_heading(key: str, order: str) -> None:
    """Columns are selected by their headings, which sorts the list instead of the page, in a new table."""
    columns = st.session_state[key]["selection"]["columns"]
    title = columns[0].rstrip(" ↓↑") if columns else ""
    field = next((field for field, name in _COLUMNS.items() if name == title), "")
    wanted = clicked_order(field, order)
    if wanted:
        st.session_state["sort"] = _LABELS[wanted]


def records_table(page: Page, order: str, key: str) -> dict[str, Any] | None:
    """Show the rows of ``page``; returns the one that is selected."""
    rows = [{**row, "anomaly": anomaly_text(row.get("anomaly"))} for row in page.items]
    columns = {field: heading(field, order) for field in _COLUMNS}
    shown = st.dataframe(
        tables.frame(rows, columns, instants=["observed_at"]),
        key=key,
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={
            columns["observed_at"]: tables.instant_column(precise=True),
            columns["value"]: st.column_config.NumberColumn(format="%.8g"),
            columns["import_id"]: st.column_config.NumberColumn(format="%d", help="The import that brought it"),
        },
        on_select=lambda: _sort_by_heading(key, order),
        selection_mode=["single-row", "single-column"],
        placeholder="",
        alt="Stored readings. A click on a heading sorts the whole list.",
    )
    selected = shown["selection"]["rows"]
    return page.items[selected[0]] if selected and selected[0] < len(page.items) else None
