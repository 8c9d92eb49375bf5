"""Warnings and errors of the services, and who changed what; newest first."""

from functools import partial
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.api_client import Page
from telltale_ui.paging import Pager

LOGS, RECORD_AUDIT, ACCOUNT_AUDIT = "Service logs", "Changes to data", "Changes to accounts"
ALERT_AUDIT = "Changes to alerts"
AUDITS = {RECORD_AUDIT: "records", ACCOUNT_AUDIT: "accounts", ALERT_AUDIT: "alerts"}
LEVELS = ["info", "warning", "error", "critical"]
LOG_COLUMNS = {
    "at": "At",
    "level": "Level",
    "service": "Service",
    "message": "Message",
    "detail": "Detail",
    "logger": "Logger",
    "instance": "Instance",
    "request_id": "Request id",
}
AUDIT_COLUMNS = {"at": "At", "actor": "Who", "action": "Did", "target": "To what", "detail": "Detail"}
ACCOUNT_COLUMNS = {**AUDIT_COLUMNS, "outcome": "Outcome", "address": "From", "request_id": "Request id"}
OUTCOMES = ["done", "refused"]


def detail_text(detail: Any) -> str | None:
    """The particulars of a change on one line."""
    if not detail:
        return None
    return ", ".join(f"{name}: {value}" for name, value in detail.items()) if isinstance(detail, dict) else str(detail)


st.title("Logs and audit")
with st.container(horizontal=True, vertical_alignment="bottom"):
    kind = st.segmented_control("Show", [LOGS, *AUDITS], default=LOGS, required=True, key="log", bind="query-params")
    search = st.text_input("Search", key="text", bind="query-params", icon=":material/search:", placeholder="Any word")
    level = (
        st.selectbox("Level", LEVELS, index=None, key="level", bind="query-params", placeholder="All", width=150)
        if kind == LOGS
        else None
    )
    outcome = who = target = None
    if kind == ACCOUNT_AUDIT:
        who = st.text_input("Who", key="who", bind="query-params", placeholder="E-mail", width=200)
        target = st.text_input("To whom", key="target", bind="query-params", placeholder="E-mail", width=200)
        outcome = st.selectbox(
            "Outcome", OUTCOMES, index=None, key="outcome", bind="query-params", placeholder="All", width=150
        )

filters: dict[str, Any] = {"q": search, "level": level, "outcome": outcome, "actor": who, "target": target}
pager = Pager("logs", repr((kind, filters)))
api = login.api()
page: Page
if kind == LOGS:
    page, columns, noun = pager.fetch(api.logs, filters), LOG_COLUMNS, "entries"
else:
    page = pager.fetch(partial(api.audit, AUDITS[kind]), filters)
    columns, noun = ACCOUNT_COLUMNS if kind == ACCOUNT_AUDIT else AUDIT_COLUMNS, "changes"

if page.items:
    rows = [{**row, "detail": detail_text(row.get("detail") or row.get("fields"))} for row in page.items]
    st.dataframe(
        tables.frame(rows, columns, instants=["at"]),
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={
            "At": tables.instant_column(precise=True),
            "Message": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt=kind,
    )
    pager.show(page, noun)
else:
    feedback.show_empty("Nothing to show", "Clear the search or the level. A quiet log is a good sign.")
