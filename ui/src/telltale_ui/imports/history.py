"""The list of imports, newest first; a click on one shows it."""

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.imports.states import label
from telltale_ui.paging import Pager

_COLUMNS = {
    "created_at": "Sent",
    "file_name": "File",
    "state": "State",
    "read": "Rows",
    "stored": "New",
    "replaced": "Replaced",
    "bad": "Cannot be stored",
    "size": "Size",
    "created_by": "By",
}
_NUMBERS = ("Rows", "New", "Replaced", "Cannot be stored")


def import_history() -> None:
    """All imports that this user may see."""
    pager = Pager("imports", "", size=20)
    page = pager.fetch(login.api().imports, {})
    if not page.items:
        feedback.show_empty(
            "Nothing was imported yet",
            "Choose a CSV file above. The template shows the columns; sample_data/records_sample.csv is one to try.",
            icon=":material/upload_file:",
        )
        return
    rows = [
        {**one, **one["rows"], "state": label(one), "size": tables.bytes_text(one["file_bytes"])} for one in page.items
    ]
    ids = [str(one["id"]) for one in page.items]
    key = f"imports_table_{ids[0]}"  # another one when imports have come: a mark would be on the wrong row
    st.dataframe(
        tables.frame(rows, _COLUMNS, instants=["created_at"]),
        key=key,
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={
            "Sent": tables.instant_column(),
            **{name: st.column_config.NumberColumn(format="localized") for name in _NUMBERS},
        },
        on_select=lambda: _show(key, ids),
        selection_mode="single-row",
        placeholder="",
        alt="Imports, newest first",
    )
    pager.show(page, "imports")


def _show(key: str, ids: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.query_params["show"] = ids[rows[0]]
    else:
        st.query_params.pop("show", None)
