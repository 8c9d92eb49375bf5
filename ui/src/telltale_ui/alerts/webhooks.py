"""Webhooks: who else is told, by HTTP. For administrators."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.alerts import words
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal
from telltale_ui.paging import Pager

COLUMNS = {"name": "Name", "url": "Address", "min_severity": "From severity", "enabled": "On", "changed_by": "By"}
DELIVERY_COLUMNS = {
    "created_at": "Since",
    "state": "State",
    "attempts": "Attempts",
    "alert_id": "Alert",
    "ended_at": "Ended",
    "next_at": "Next attempt",
    "problem": "Problem",
}


@st.dialog("New webhook", icon=":material/webhook:")
def _create_dialog() -> None:
    name = st.text_input("Name", key="webhook_name", max_chars=100)
    url = st.text_input("Address", key="webhook_url", placeholder="https://example.com/alerts", max_chars=1000)
    severity = st.selectbox("From severity", words.SEVERITIES, 1, key="webhook_severity")
    if not st.button("Save", type="primary", icon=":material/check:", key="webhook_save"):
        return
    try:
        made = login.api().create_webhook({"name": name or "", "url": url or "", "min_severity": severity})
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    st.success("It is told from now on. Its secret is shown this once:", icon=":material/key:")
    st.code(made["secret"], language=None)
    st.caption("With it the receiver checks X-Telltale-Signature: HMAC-SHA256 over its t, a dot and the body.")


def show() -> None:
    """The webhooks, and what was sent to one of them."""
    api = login.api()
    webhooks = api.webhooks()
    if st.button("New webhook", icon=":material/add:", key="webhook_new"):
        _create_dialog()
    if not webhooks:
        feedback.show_empty("Nobody else is told", "A webhook gets alerts as signed JSON.", icon=":material/webhook:")
        return
    st.dataframe(tables.frame(webhooks, COLUMNS), hide_index=True, height=tables.height(len(webhooks)), alt="Webhooks")
    names = {one["name"]: one for one in webhooks}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Look at one", list(names), key="webhook_chosen")
        if st.button("Send a trial", icon=":material/send:", key="webhook_try"):
            tried = api.try_webhook(names[chosen]["id"])
            outcome = "The receiver took it." if tried["delivered"] else f"Not taken: {tried['problem']}."
            st.toast(literal(outcome), icon=":material/send:")
        if st.button("Delete", icon=":material/delete:", key="webhook_delete"):
            api.delete_webhook(names[chosen]["id"])
            feedback.done("The webhook is deleted.")
            st.rerun()
    _deliveries(names[chosen])


def _deliveries(webhook: dict[str, Any]) -> None:
    pager = Pager("deliveries", webhook["id"])
    page = login.api().deliveries(webhook["id"], {"limit": pager.size, "cursor": pager.cursor})
    if not page.items:
        st.caption("Nothing was sent to it yet.")
        return
    st.dataframe(
        tables.frame(page.items, DELIVERY_COLUMNS, instants=["created_at", "ended_at", "next_at"]),
        hide_index=True,
        height=tables.height(len(page.items)),
        column_config={name: tables.instant_column() for name in ("Since", "Ended", "Next attempt")},
        placeholder="",
        alt="Deliveries",
    )
    pager.show(page, "deliveries")
