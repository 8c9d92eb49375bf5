"""The API keys of the signed-in user: the list, a form for a new one, and a way to revoke each."""

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.api_client import ApiError
from telltale_ui.sessions import User

COLUMNS = {
    "name": "Name",
    "hint": "Begins with",
    "scopes": "May",
    "last_used_at": "Last used",
    "created_at": "Created",
    "expires_at": "Expires",
}
INSTANTS = ["last_used_at", "created_at", "expires_at"]
SCOPES = {"read": "read all data", "readings:write": "post readings"}
LONGEST_DAYS = 366
_SECRET = "new_api_key"  # noqa: S105 - a key of the session state, not a secret


def _revoke(key_id: str) -> None:
    try:
        login.api().revoke_api_key(key_id)
        feedback.done("The API key is revoked. Every service refuses it within a second.")
    except ApiError as error:
        st.session_state["account_error"] = error


def _show_new_one() -> None:
    with st.form("api_key"):
        name = st.text_input("Name", key="key_name", placeholder="press hall gateway", max_chars=100)
        offered = list(SCOPES) if login.user().may("USER") else ["read"]
        scopes = st.multiselect(
            "It may", offered, default=offered[-1:], format_func=lambda scope: SCOPES[scope], key="key_scopes"
        )
        days = st.number_input("Days until it expires", 1, LONGEST_DAYS, 90, key="key_days")
        if not st.form_submit_button("Create key", type="primary"):
            return
    try:
        st.session_state[_SECRET] = login.api().create_api_key(name, scopes, int(days))
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        st.rerun()


def show(user: User) -> None:
    """The whole tab."""
    st.caption(
        "A key lets a machine in as you, with nothing but what is ticked. It ends with your account and your role."
    )
    if secret := st.session_state.pop(_SECRET, None):
        st.success("Copy the key now. It cannot be shown again.", icon=":material/key:")
        st.code(secret, language=None)
    keys = login.api().api_keys()
    if keys:
        rows = [{**one, "scopes": ", ".join(SCOPES.get(scope, scope) for scope in one["scopes"])} for one in keys]
        st.dataframe(
            tables.frame(rows, COLUMNS, instants=INSTANTS),
            hide_index=True,
            height=tables.height(len(rows)),
            column_config={COLUMNS[name]: tables.instant_column() for name in INSTANTS},
            placeholder="",
            alt=f"API keys of {user.name}",
        )
        named = {one["id"]: f"{one['name']} ({one['hint']}…)" for one in keys}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox(
                "Revoke a key", list(named), index=None, format_func=lambda key: named[key], key="key_to_revoke",
                placeholder="Choose one",
            )  # fmt: skip
            st.button(
                "Revoke it", icon=":material/key_off:", disabled=chosen is None, key="revoke_key",
                on_click=_revoke, args=(chosen,),
            )  # fmt: skip
    else:
        feedback.show_empty("No API key yet", "Create one for each machine that sends or reads.", icon=":material/key:")
    with st.container(width=560):
        _show_new_one()
