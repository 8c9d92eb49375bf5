"""Alerts that are over or go on, newest first; one of them with all that became of it."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.alerts import words
from telltale_ui.paging import Pager

COLUMNS = {
    "fired_at": "Fired",
    "resolved_at": "Resolved",
    "severity": "Severity",
    "rule_name": "Rule",
    "series": "Series",
    "state": "State",
    "explanation": "Why",
}
EVENT_COLUMNS = {"at": "At", "state": "State", "explanation": "Why", "by": "By", "note": "Note"}
STATES = ["firing", "acknowledged", "silenced", "resolved"]


def show() -> None:
    """The list, and the alert that is chosen in it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.multiselect("State", STATES, key="alert_state", bind="query-params", placeholder="All")
        severity = st.multiselect(
            "Severity", words.SEVERITIES, key="alert_severity", bind="query-params", placeholder="All"
        )
    asked = {"state": state or STATES, "severity": severity}
    pager = Pager("alerts", repr(asked))
    page = pager.hold(lambda: pager.fetch(login.api().alerts, asked))
    if not page.items:
        feedback.show_empty("No alert yet", "What fires is kept here, with who looked after it.")
        return
    rows = [{**one, "series": words.series_name(one)} for one in page.items]
    shown = st.dataframe(
        tables.frame(rows, COLUMNS, instants=["fired_at", "resolved_at"]),
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={
            "Fired": tables.instant_column(),
            "Resolved": tables.instant_column(),
            "Why": st.column_config.TextColumn(width="large"),
        },
        selection_mode="single-row",
        on_select="rerun",
        key=pager.table_key,
        placeholder="",
        alt="Alerts",
    )
    pager.show(page, "alerts")
    selected = shown["selection"]["rows"]
    if selected and selected[0] < len(page.items):
        _show_one(login.api().alert(page.items[selected[0]]["id"]))
    else:
        st.caption("Select an alert to see what became of it.")


def _show_one(alert: dict[str, Any]) -> None:
    st.markdown(f"{words.ICONS[alert['severity']]} {words.heading(alert)} {words.STATES[alert['state']]}")
    st.dataframe(
        tables.frame(alert["history"], EVENT_COLUMNS, instants=["at"]),
        hide_index=True,
        column_config={
            "At": tables.instant_column(precise=True),
            "Why": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt="What became of it",
    )
