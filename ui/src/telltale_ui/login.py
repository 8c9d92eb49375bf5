"""The signed-in user of this page run: from the cookie, through a cached access token, to the API."""

import time

import streamlit as st

from telltale_ui.api_client import ApiClient, ApiError, SignedInApi
from telltale_ui.sessions import AccessToken, User, session_id_of
from telltale_ui.settings import current_settings

_TOKEN = "access_token"  # noqa: S105 - a key of the session state, not a secret
_SIGNED_IN = "was_signed_in"
_FOLLOW_SECONDS = 5.0
_LOOK_AT_LEAST = 86_400.0
_WARN_SECONDS = 600.0
"""How long before its end a session is announced to end; one in use ends seven days after it began."""


@st.cache_resource
def client() -> ApiClient:
    """The client that all sessions of this process share."""
    return ApiClient.from_settings(current_settings())


def _session_id() -> str:
    return session_id_of(st.context.cookies)


def _token(renew: bool = False) -> AccessToken:
    held: AccessToken | None = st.session_state.get(_TOKEN)
    if held is not None and not renew and held.is_fresh(time.monotonic()):
        return held
    try:
        fresh = client().access_token(_session_id())
    except ApiError as error:
        if error.status == 401:
            forget_token()
        elif held is not None and not renew and held.expires_at > time.monotonic():
            return held  # auth is away; what it said last still holds
        raise
    st.session_state[_TOKEN] = fresh
    return fresh


def browser() -> dict[str, str]:
    """What auth is told of the browser: the program's name for the list of sessions, its address for the throttle."""
    told = {"user-agent": str(st.context.headers.get("User-Agent", ""))[:200]}
    if st.context.ip_address:
        told["x-forwarded-for"] = st.context.ip_address
    return {name: value for name, value in told.items() if value.isascii() and value.isprintable() and value}


def current_user() -> User | None:
    """Who is signed in, or ``None``.

    Raises:
        ApiError: auth cannot be asked right now, so nothing is known.
    """
    if not _session_id():
        return None
    try:
        found = _token().user
    except ApiError as error:
        if error.status == 401:
            return None
        raise
    st.session_state[_SIGNED_IN] = True
    return found


def was_signed_in() -> bool:
    """Whether this screen showed pages before: who now meets the sign-in page did not ask for it."""
    return _SIGNED_IN in st.session_state


def forget_token() -> None:
    """Ask auth anew in the next run: role or account may have changed."""
    st.session_state.pop(_TOKEN, None)


def has_ended() -> bool:
    """Whether auth has refused a new token in this run: the next one shows the sign-in page."""
    return _TOKEN not in st.session_state


def follow_account(drawn: User, *, is_told: bool = False) -> None:
    """Draw the page anew, or the sign-in page, within seconds of a change to the account it was ``drawn`` for.

    Args:
        drawn: the account as the page shows it.
        is_told: the page learns of changes over its WebSocket, so it looks again only when the session is about to end.
    """
    wait = _session_seconds_left() - _WARN_SECONDS
    period = min(max(_FOLLOW_SECONDS, wait), _LOOK_AT_LEAST) if is_told else _FOLLOW_SECONDS
    st.fragment(_follow, run_every=period)(drawn, time.monotonic(), period)


def _follow(drawn: User, drawn_at: float, period: float) -> None:
    if time.monotonic() - drawn_at > _FOLLOW_SECONDS / 2:  # otherwise it is the page's own run, which has just asked
        _look_again(drawn, period)
    _warn_before_end()


def _look_again(drawn: User, period: float) -> None:
    try:
        changed = api().me().role != drawn.role
    except ApiError as error:
        if error.status != 401:
            return
        changed = True
    if changed:
        forget_token()
    if changed or period > _FOLLOW_SECONDS:  # the session was used meanwhile: only a new run changes when to look next
        st.rerun()


def _session_seconds_left() -> float:
    held: AccessToken | None = st.session_state.get(_TOKEN)
    return held.session_ends_at - time.time() if held is not None else _WARN_SECONDS


def _warn_before_end() -> None:
    left = _session_seconds_left()
    if left < _WARN_SECONDS:
        st.warning(
            f"Your session ends in {max(1, round(left / 60))} min. Save what you are doing and sign in again.",
            icon=":material/timer:",
        )


def user() -> User:
    """Who is signed in, on a page that only signed-in users reach."""
    return _token().user


def api() -> SignedInApi:
    """The calls that the signed-in user may make."""
    return client().signed_in(lambda renew: _token(renew).value)
