"""The sign-in page: e-mail and password, registration, and the demo accounts where they exist."""

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError
from telltale_ui.session_bridge import keep_session
from telltale_ui.sessions import TICKETS
from telltale_ui.settings import current_settings

_SHORTEST_PASSWORD = 8
_REGISTERED = "registered"
_DEMO_PASSWORD = "Password123!"  # noqa: S105 - public on purpose; exists only where DEMO_ACCOUNTS=true
_DEMO_ACCOUNTS = {
    "Viewer": ("viewer@example.com", "looks at everything"),
    "User": ("user@example.com", "also edits records and judges anomalies"),
    "Admin": ("admin@example.com", "also manages users and the system"),
}


def _start(email: str, password: str) -> None:
    try:
        session = login.client().start_session(email, password, login.browser())
    except ApiError as error:
        if error.status == 401 and st.session_state.pop(_REGISTERED, None) == email:
            st.error(
                "This address has an account already, with another password. Sign in with that one.",
                icon=":material/error:",
            )
        elif error.status == 401:
            st.error("E-mail address or password is wrong.", icon=":material/error:")
        else:
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    keep_session(TICKETS.issue(session["session_id"]))


def _offer_demo_accounts() -> tuple[str, str] | None:
    chosen = None
    with st.container(border=True, key="demo_accounts"):
        st.markdown(":material/science: **Demo accounts**")
        st.caption("This installation is for trying out: anybody can sign in with these.")
        with st.container(horizontal=True):
            for label, (email, what) in _DEMO_ACCOUNTS.items():
                if st.button(label, key=f"demo_{label.lower()}", help=f"{email}: {what}", width="stretch"):
                    chosen = email, _DEMO_PASSWORD
    return chosen


def _sign_in() -> tuple[str, str] | None:
    with st.form("sign_in", border=False):
        email = st.text_input("E-mail", autocomplete="username", key="sign_in_email")
        password = st.text_input("Password", type="password", autocomplete="current-password", key="sign_in_password")
        if st.form_submit_button("Sign in", type="primary", width="stretch"):
            if email and password:
                return email.strip(), password
            st.error("E-mail address and password are needed.", icon=":material/error:")
    return None


def _register() -> tuple[str, str] | None:
    with st.form("register", border=False):
        name = st.text_input("Name", autocomplete="name", key="register_name")
        email = st.text_input("E-mail", autocomplete="username", key="register_email")
        password = st.text_input(
            "Password",
            type="password",
            autocomplete="new-password",
            key="register_password",
            placeholder=f"{_SHORTEST_PASSWORD} characters or more",
        )
        submitted = st.form_submit_button("Create account", type="primary", width="stretch")
        st.caption("A new account may look at everything. An administrator can give it more.")
    if not submitted:
        return None
    if "@" not in email or len(password) < _SHORTEST_PASSWORD:
        st.error(
            f"An e-mail address and a password of {_SHORTEST_PASSWORD} characters or more are needed.",
            icon=":material/error:",
        )
        return None
    try:
        login.client().register(email.strip(), name.strip(), password, login.browser())
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return None
    st.session_state[_REGISTERED] = email.strip()
    return email.strip(), password


def _can_register() -> bool:
    try:
        return login.client().can_register()
    except ApiError:
        return True  # whoever then tries is told what is wrong


def _sign_in_or_register() -> tuple[str, str] | None:
    if not _can_register():
        return _sign_in()
    existing, new = st.tabs(["Sign in", "Create an account"])
    with existing:
        signing_in = _sign_in()
    with new:
        return _register() or signing_in


def render() -> None:
    """The page, in place of the one asked for, which opens after signing in."""
    _, middle, _ = st.columns([1, 1.1, 1])
    with middle:
        st.space("medium")
        st.title("Sign in to Telltale")
        st.caption("Readings as they are right now, stored exactly once, watched for anomalies.")
        if login.was_signed_in():
            st.info(
                "Your session has ended, or an administrator changed your account. Please sign in again.",
                icon=":material/logout:",
            )
        credentials = _offer_demo_accounts() if current_settings().demo_accounts else None
        credentials = _sign_in_or_register() or credentials
        if credentials:
            _start(*credentials)
