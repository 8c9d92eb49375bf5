"""One import: how far it is, what became of its rows, what was wrong, and what can be done with it."""

from functools import partial
from typing import Any

import streamlit as st

from telltale_ui import feedback, jobs, login, tables
from telltale_ui.api_client import ApiError
from telltale_ui.exports.files import import_errors_link
from telltale_ui.filters import import_label
from telltale_ui.imports.states import RUNNING, label, meaning
from telltale_ui.kept_filters import open_with
from telltale_ui.markdown import literal
from telltale_ui.paging import Pager
from telltale_ui.ranges import ALL

_COUNTS = {
    "read": "Rows read",
    "stored": "New records",
    "replaced": "Replaced",
    "repeated": "Stored already",
    "kept": "Left out",
    "bad": "Cannot be stored",
    "undone": "Removed again",
    "restored": "Restored",
    "left": "Edited since",
}
_GOOD = ("checked", "applied", "undone")
_ALWAYS = ("read", "stored")
_ERROR_COLUMNS = {"line": "Line", "column": "Column", "value": "Value", "reason": "What is wrong"}


@st.dialog("Undo this import?", icon=":material/undo:")
def undo_dialog(one: dict[str, Any]) -> None:
    """Undo after a second look."""
    rows = one["rows"]
    st.markdown(f"**{literal(one['file_name'])}**: {rows['stored']:,} records are removed again.")
    if rows.get("replaced"):
        st.markdown(f"{rows['replaced']:,} records get back the value they had before.")
    st.caption("Records that somebody edited since stay as they are, and are counted.")
    if st.button("Undo import", type="primary", icon=":material/undo:", key="import_undo_confirm"):
        _act("undo_import", str(one["id"]), "The import is being undone.")


def _act(call: str, import_id: str, message: str) -> None:
    try:
        getattr(login.api(), call)(import_id)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    feedback.done(message)
    st.rerun()


def _actions(one: dict[str, Any]) -> None:
    import_id = str(one["id"])
    with st.container(horizontal=True, vertical_alignment="center"):
        if one["state"] == "applied":
            there = {"import": import_label(one), "span": ALL}
            if st.button("Show its records", icon=":material/table_rows:", key="import_records"):
                open_with("app_pages/records.py", **there)
            if st.button("Show on Analytics", icon=":material/query_stats:", key="import_analytics"):
                open_with("app_pages/analytics.py", **there)
        if not login.user().may("USER"):
            return
        if one["state"] == "checked":
            if st.button("Import now", type="primary", icon=":material/upload:", key="import_apply"):
                _act("apply_import", import_id, "The import has begun.")
            if st.button("Forget it", icon=":material/close:", key="import_forget_it"):
                _act("undo_import", import_id, "The file is forgotten.")
        elif one["can_undo"] and st.button("Undo import", icon=":material/undo:", key="import_undo"):
            undo_dialog(one)


@st.fragment(run_every=jobs.POLL_SECONDS)
def _follow(import_id: str, state: str) -> None:
    """The progress of its job; the page is drawn anew when the state changes."""
    try:
        one = login.api().import_(import_id)
    except ApiError as error:
        st.caption(f":material/warning: {feedback.describe(error)}")
        return
    if one["state"] != state:
        if one["state"] in _GOOD:
            feedback.done(f"{one['file_name']}: {label(one).lower()}.")
        st.rerun()
    job = one["job"]
    if job is None:
        return
    jobs.show_bar(job["rows_done"], job["rows_total"], job["rate"], RUNNING[state], state=job["state"])
    if login.user().may("USER") and state != "undoing":
        st.button("Stop", icon=":material/close:", key="import_stop", on_click=_stop, args=(str(job["id"]),))


def _stop(job_id: str) -> None:
    try:
        login.api().cancel_job(job_id)
    except ApiError as error:
        st.toast(feedback.describe(error), icon=":material/error:")


def _errors(import_id: str) -> None:
    pager = Pager("import_errors", import_id, size=20)
    page = pager.fetch(partial(login.api().import_errors, import_id), {})
    if not page.items:
        st.caption("What was wrong in the rows of this file is not kept any more.")
        return
    st.markdown("###### What is wrong")
    st.dataframe(
        tables.frame(page.items, _ERROR_COLUMNS),
        hide_index=True,
        height="content",
        column_config={
            "Line": st.column_config.NumberColumn(format="localized", width="small"),
            "What is wrong": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt="Rows that cannot be stored, with their line in the file",
    )
    pager.show(page, "errors", timed=False)
    # Below the table: above it, the table's own toolbar would lie over the link.
    st.link_button(
        "Download as CSV", import_errors_link(import_id), icon=":material/download:", key="import_errors_csv"
    )


def import_detail(import_id: str) -> None:
    """All about one import."""
    one = login.api().import_(import_id)
    tone, text = meaning(one)
    with st.container(border=True, key="import_detail"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"###### {literal(one['file_name'])}", width="stretch")
            st.button("Close", icon=":material/close:", type="tertiary", key="import_close", on_click=_close)
        getattr(st, tone)(literal(text), title=label(one))
        if one["state"] in RUNNING:
            _follow(import_id, one["state"])
        else:
            with st.grid(min_column_width=120):
                for field, name in _COUNTS.items():
                    count = one["rows"].get(field) or 0
                    if count or field in _ALWAYS:
                        st.metric(name, f"{count:,}")
            _actions(one)
        if one["rows"].get("bad"):
            _errors(import_id)


def _close() -> None:
    st.query_params.pop("show", None)
