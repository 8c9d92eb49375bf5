"""One account of the users page: where it is signed in, a way to end that, and what its audit says."""

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal
from telltale_ui.programs import program_of

KINDS = {"browser": "Browser", "client": "Program"}
"""How auth's words for a session are shown."""

COLUMNS = {
    "kind": "Kind",
    "client": "Program",
    "address": "Address",
    "last_used_at": "Last used",
    "created_at": "Since",
}
INSTANTS = ["last_used_at", "created_at"]


def _end_all(user_id: str, email: str) -> None:
    try:
        login.api().end_sessions_of(user_id)
        feedback.done(f"{email} is signed out everywhere.")
    except ApiError as error:
        st.session_state["users_error"] = error


def show(users: list[dict[str, Any]]) -> None:
    """A choice of the accounts on the page, and the one chosen."""
    named = {str(one["id"]): one["email"] for one in users}
    chosen = st.selectbox(
        "Look at one account",
        list(named),
        index=None,
        format_func=lambda key: named[key],
        placeholder="Choose one",
        key="user_chosen",
    )
    if chosen is None:
        return
    sessions = login.api().sessions_of(chosen)
    if sessions:
        rows = [{**one, "kind": KINDS[one["kind"]], "client": program_of(one["client"])} for one in sessions]
        st.dataframe(
            tables.frame(rows, COLUMNS, instants=INSTANTS),
            hide_index=True,
            column_config={COLUMNS[name]: tables.instant_column() for name in INSTANTS},
            placeholder="",
            alt=f"Sessions of {named[chosen]}",
        )
    else:
        st.caption(f"{literal(named[chosen])} is not signed in anywhere.")
    with st.container(horizontal=True):
        st.button(
            "Sign out everywhere",
            icon=":material/devices_off:",
            disabled=not sessions,
            key="user_sign_out",
            on_click=_end_all,
            args=(chosen, named[chosen]),
        )
        asked = urlencode({"log": "Changes to accounts", "target": named[chosen]})
        st.link_button("Audit of this account", f"/logs?{asked}", icon=":material/receipt_long:")
