"""The user's own exports, each with its file until that expires."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui import feedback, jobs, login, tables, times
from telltale_ui.api_client import ApiError
from telltale_ui.exports.files import export_file_link
from telltale_ui.markdown import literal

SHOWN = 8
_STATES = {
    "queued": "waits for its turn",
    "failed": "failed",
    "cancelled": "was cancelled",
    "expired": "has expired",
}


def state_text(export: dict[str, Any], now: datetime) -> str:
    """Where an export stands, on one line."""
    if export["state"] == "done":
        size = tables.bytes_text(export["bytes"])
        kept = f" · kept for {times.age(now, times.parse(export['expires_at']))} more" if export["expires_at"] else ""
        return f"{export['rows_done'] or 0:,} records · {size}{kept}"
    problem = f": {export['problem']}" if export.get("problem") else ""
    return _STATES.get(export["state"], str(export["state"])) + problem


def _delete(export_id: str) -> None:
    try:
        login.api().delete_export(export_id)
    except ApiError as error:
        st.session_state["export_problem"] = feedback.describe(error)


def _show(export: dict[str, Any], now: datetime) -> None:
    running = jobs.is_running(export)
    with st.container(horizontal=True, vertical_alignment="center", key=f"export_{export['id']}"):
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(f"**{literal(export['file_name'])}**")
            if running:
                rows = (export["rows_done"], export["rows_total"], export["rate"])
                jobs.show_bar(*rows, "written", state=export["state"])
            else:
                st.caption(literal(state_text(export, now)))
        if export["state"] == "done":
            st.link_button(
                "Download", export_file_link(export["id"]), icon=":material/download:", key=f"get_{export['id']}"
            )
        st.button(
            "Stop" if running else "Delete",
            icon=":material/close:" if running else ":material/delete:",
            type="tertiary",
            key=f"drop_{export['id']}",
            on_click=_delete,
            args=(export["id"],),
        )


@st.fragment(run_every=jobs.POLL_SECONDS)
def recent_exports() -> None:
    """The newest exports; those that are being made move on by themselves."""
    try:
        exports = login.api().exports({"limit": SHOWN}).items
    except ApiError as error:
        st.caption(f":material/warning: {feedback.describe(error)}")
        return
    if problem := st.session_state.pop("export_problem", None):
        st.error(problem, icon=":material/error:")
    if exports:
        st.markdown("###### Files of yours")
    now = datetime.now(UTC)
    for export in exports:
        _show(export, now)
