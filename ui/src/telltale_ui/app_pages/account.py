"""Who is signed in: password, sessions, API keys, and the way out."""

import secrets

import streamlit as st

from telltale_ui import account_keys, feedback, login, tables, times, user_sessions
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal
from telltale_ui.programs import program_of
from telltale_ui.session_bridge import drop_session

MEANING = {
    "VIEWER": "looks at everything that is measured, stored and detected",
    "USER": "looks at everything, creates, edits and deletes records, judges anomalies and controls the generator",
    "ADMIN": "does all that a USER does, manages users and looks at the system, its logs and the audit trail",
}
SESSION_COLUMNS = {
    "kind": "Kind",
    "client": "Program",
    "address": "Address",
    "last_used_at": "Last used",
    "created_at": "Signed in",
    "expires_at": "Ends at the latest",
}
_CHANGES = "password_changes"


def show_password() -> None:
    """The form that changes the password."""
    # Empty after a change, and as it was after a refusal: another number is another form.
    turn = st.session_state.get(_CHANGES, 0)
    with st.form(f"password_{turn}"):
        current = st.text_input("Password now", type="password", autocomplete="current-password", key=f"now_{turn}")
        new = st.text_input("New password", type="password", autocomplete="new-password", key=f"new_{turn}")
        again = st.text_input("The same again", type="password", autocomplete="new-password", key=f"again_{turn}")
        st.caption("At least 8 characters. A phrase of several words is easy to keep and hard to guess.")
        if not st.form_submit_button("Change password", type="primary"):
            return
    if new != again:
        st.error("The two new passwords differ.", icon=":material/error:")
        return
    try:
        login.api().change_password(current, new)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        login.forget_token()
        st.session_state[_CHANGES] = turn + 1
        feedback.done("The password is changed. All other sessions have ended.")
        st.rerun()


def end_session(session_id: str) -> None:
    """Sign out one session; the page shows what came of it."""
    try:
        login.api().end_one_session(session_id)
        feedback.done("The session has ended. Whoever used it is signed out within a second.")
    except ApiError as error:
        st.session_state["account_error"] = error


def show_sessions() -> None:
    """Where the account is signed in, and a way to end each."""
    sessions = login.api().sessions()
    kinds = user_sessions.KINDS
    sessions = [{**one, "client": program_of(one["client"])} for one in sessions]
    rows = [{**one, "kind": kinds[one["kind"]] + (" (this one)" if one["current"] else "")} for one in sessions]
    instants = ["last_used_at", "created_at", "expires_at"]
    st.dataframe(
        tables.frame(rows, SESSION_COLUMNS, instants=instants),
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={SESSION_COLUMNS[name]: tables.instant_column() for name in instants},
        placeholder="",
        alt="Sessions",
    )
    others = {one["id"]: one for one in sessions if not one["current"]}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "End a session",
            list(others),
            index=None,
            format_func=lambda key: (
                f"{others[key]['client'] or kinds[others[key]['kind']]}, {others[key]['address']}, "
                f"since {times.clock(times.parse(others[key]['created_at']))}"
            ),
            placeholder="Choose one of the others" if others else "There is no other session",
            disabled=not others,
            key="session_to_end",
        )
        st.button(
            "End it",
            icon=":material/logout:",
            disabled=chosen is None,
            key="end_session",
            on_click=end_session,
            args=(chosen,),
        )
    if st.button("Sign out everywhere", icon=":material/devices_off:", key="sign_out_everywhere"):
        login.api().end_all_sessions()
        drop_session(secrets.token_hex(8))


user = login.user()
feedback.show_done()
st.title("Account")
if error := st.session_state.pop("account_error", None):
    st.error(feedback.describe(error), title=error.title, icon=":material/error:")
with st.container(border=True, width=560):
    st.markdown(f"**{literal(user.name)}**  \n{literal(user.email)}")
    st.badge(user.role, icon=":material/badge:", color="gray")
    st.caption(f"{user.role} {MEANING[user.role]}.")
    st.caption(f"Times are shown in {times.viewer_zone().key}, the zone of this browser.")
    if st.button("Sign out", icon=":material/logout:", key="sign_out"):
        drop_session(secrets.token_hex(8))
security, sessions, keys = st.tabs(["Password", "Sessions", "API keys"], key="account_tab", on_change="rerun")
if security.open:
    with security, st.container(width=560):
        show_password()
if sessions.open:
    with sessions:
        show_sessions()
if keys.open:
    with keys:
        account_keys.show(user)
