"""The rules: what is watched for, and whether that can be told right now."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.alerts import words
from telltale_ui.alerts.rule_form import rule_dialog
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

COLUMNS = {
    "name": "Name",
    "severity": "Severity",
    "condition": "Fires when",
    "scope": "Series",
    "open_alerts": "Open alerts",
    "watching": "Watching",
}


def _watching(rule: dict[str, Any]) -> str:
    if not rule["enabled"]:
        return "switched off"
    return f"cannot tell: {rule['cannot_tell']}" if rule["cannot_tell"] else "yes"


def show() -> None:
    """The table, and what may be done with its rows."""
    rules = login.api().rules()
    rows = [
        {**rule, "condition": words.condition(rule), "scope": words.scope(rule), "watching": _watching(rule)}
        for rule in rules
    ]
    actions = st.container(horizontal=True, vertical_alignment="center")
    # A new table forgets the selection of the rule that was just changed.
    key = f"rules_table_{sum(rule['version'] for rule in rules)}_{len(rules)}"
    st.dataframe(
        tables.frame(rows, COLUMNS),
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={"Fires when": st.column_config.TextColumn(width="large")},
        selection_mode="single-row",
        on_select="rerun",
        key=key,
        placeholder="",
        alt="Rules",
    )
    selected = st.session_state[key]["selection"]["rows"]
    chosen = rules[selected[0]] if selected else None
    if not login.user().may("USER"):
        st.caption("Making and changing rules needs the role USER.")
        return
    with actions:
        if st.button("New rule", icon=":material/add:", key="rule_new"):
            rule_dialog(login.api().series())
        if st.button("Edit", icon=":material/edit:", key="rule_edit", disabled=chosen is None) and chosen:
            rule_dialog(login.api().series(), chosen)
        deletable = chosen is not None and not chosen["built_in"]
        if st.button("Delete", icon=":material/delete:", key="rule_delete", disabled=not deletable) and chosen:
            _delete_dialog(chosen)
        st.caption(
            "This rule is built in and stays."
            if chosen and chosen["built_in"]
            else "Select a row to edit or delete it."
            if chosen is None
            else ""
        )


@st.dialog("Delete rule", icon=":material/delete:")
def _delete_dialog(rule: dict[str, Any]) -> None:
    st.markdown(f"**{literal(rule['name'])}**: {literal(words.condition(rule))}.")
    st.markdown("What it has open is resolved; its history stays. This cannot be undone.")
    if not st.button("Delete", type="primary", icon=":material/delete:", key="rule_delete_confirm"):
        return
    try:
        login.api().delete_rule(rule["id"])
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        feedback.done("The rule is deleted.")
        st.rerun()
