"""Webhooks: who else is told, by HTTP. For administrators."""

from functools import partial
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


@st.dialog("Webhook", icon=":material/webhook:")
def _dialog(webhook: dict[str, Any] | None = None) -> None:
    """A new webhook, or ``webhook`` to be changed."""
    body = _form(webhook or {})
    if not st.button("Save", type="primary", icon=":material/check:", key="webhook_save"):
        return
    try:
        if webhook is None:
            _show_secret(login.api().create_webhook(body))
            return
        login.api().change_webhook(webhook["id"], body)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        feedback.done("The webhook is saved.")
        st.rerun()


def _form(old: dict[str, Any]) -> dict[str, Any]:
    key = f"{old.get('id', 'new')}_{old.get('changed_at', '')}"
    name = st.text_input("Name", old.get("name", ""), key=f"webhook_name_{key}", max_chars=100)
    url = st.text_input(
        "Address", old.get("url", ""), key=f"webhook_url_{key}", placeholder="https://example.com/alerts",
        max_chars=1000,
    )  # fmt: skip
    severity = st.selectbox(
        "From severity", words.SEVERITIES, words.SEVERITIES.index(old.get("min_severity", "warning")),
        key=f"webhook_severity_{key}",
    )  # fmt: skip
    enabled = st.toggle("Switched on", old.get("enabled", True), key=f"webhook_enabled_{key}")
    if old and not enabled:
        st.caption("It is told nothing more, and what waits for it is given up.")
    return {"name": name or "", "url": url or "", "min_severity": severity, "enabled": enabled}


def _show_secret(made: dict[str, Any]) -> None:
    st.success("It is told from now on. Its secret is shown this once:", icon=":material/key:")
    st.code(made["secret"], language=None)
    st.caption("With it the receiver checks X-Telltale-Signature: HMAC-SHA256 over its t, a dot and the body.")


@st.dialog("Delete webhook", icon=":material/delete:")
def _delete_dialog(webhook: dict[str, Any]) -> None:
    st.markdown(f"**{literal(webhook['name'])}**: {literal(webhook['url'])}")
    st.markdown(
        "It is told nothing more. Its secret and the list of what was sent to it go, too: this cannot be undone."
    )
    if not st.button("Delete", type="primary", icon=":material/delete:", key="webhook_delete_confirm"):
        return
    try:
        login.api().delete_webhook(webhook["id"])
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        feedback.done("The webhook is deleted.")
        st.rerun()


def show() -> None:
    """The webhooks, and what was sent to one of them."""
    api = login.api()
    webhooks = api.webhooks()
    if st.button("New webhook", icon=":material/add:", key="webhook_new"):
        _dialog()
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
        if st.button("Edit", icon=":material/edit:", key="webhook_edit"):
            _dialog(names[chosen])
        if st.button("Delete", icon=":material/delete:", key="webhook_delete"):
            _delete_dialog(names[chosen])
    _deliveries(names[chosen])


def _deliveries(webhook: dict[str, Any]) -> None:
    pager = Pager("deliveries", webhook["id"])
    page = pager.fetch(partial(login.api().deliveries, webhook["id"]), {})
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
