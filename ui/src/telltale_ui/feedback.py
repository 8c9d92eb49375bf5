"""How every page tells what happened: errors in plain words, empty states that name the next action, toasts."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
import structlog

from telltale_ui import login
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

log = structlog.get_logger("telltale.ui")

_DONE = "done_message"
_RETRY_SECONDS = 5.0
_AWAY = (0, 502, 503, 504)


def describe(error: ApiError) -> str:
    """The error in plain words, as Markdown: what is wrong, which fields, and the request id to quote."""
    # "check x, y" is for programs: the fields themselves follow.
    detail = "" if error.fields and error.detail.startswith("check ") else error.detail or error.title
    told = [f"{str(one.get('field', '')).replace('_', ' ')}: {one.get('message', '')}" for one in error.fields]
    lines = [literal(line[:1].upper() + line[1:]) for line in (detail, *told)]
    if error.request_id:
        lines.append(f"Request id: `{error.request_id}`")
    return "  \n".join(line for line in lines if line)


def show_error(error: ApiError, *, key: str = "retry") -> None:
    """The error with a way to try again."""
    st.error(describe(error), title=error.title, icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Try again", icon=":material/refresh:", key=key)
        if error.status in _AWAY:
            retry_by_itself()


def retry_by_itself() -> None:
    """Say that the page is run again until the service answers, and do so."""
    _retry_after(time.monotonic())


@st.fragment(run_every=_RETRY_SECONDS)
def _retry_after(shown_at: float) -> None:
    # The first run is part of the page's own.
    if time.monotonic() - shown_at > _RETRY_SECONDS / 2:
        st.rerun()
    st.caption("This page tries again by itself.")


def show_not_allowed(message: str) -> None:
    """A page that this role may not use."""
    st.warning(
        f"{literal(message)} Ask an administrator for the role it needs.", title="Not allowed", icon=":material/lock:"
    )
    st.page_link("app_pages/live.py", label="Go to the live page", icon=":material/show_chart:")


def show_empty(title: str, next_action: str, *, icon: str = ":material/inbox:") -> None:
    """Nothing to show, and what to do about it."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown(f"##### {icon} {title}", text_alignment="center")
        st.caption(next_action, text_alignment="center")
        st.space("small")


@contextmanager
def plain_errors(*, key: str = "retry") -> Iterator[None]:
    """Show an :class:`ApiError` instead of letting it end the page; ``key`` tells its retry from others."""
    try:
        yield
    except ApiError as error:
        if error.status == 401 and login.has_ended():
            st.rerun()
        elif error.status == 403:
            show_not_allowed(error.detail or "Your role does not allow this.")
        else:
            show_error(error, key=key)


def show_unexpected(error: Exception) -> bool:
    """A fault of ours: the reader gets an id to quote, the log the same id with the traceback."""
    fault = secrets.token_hex(8)
    log.error("page failed", fault=fault, exc_info=error)
    st.error(f"It is not your doing. Fault id: `{fault}`", title="Something went wrong here", icon=":material/error:")
    st.button("Try again", icon=":material/refresh:", key="retry_unexpected")
    return True


def done(message: str) -> None:
    """Remember a message, shown as a toast by the next run: a dialog closes by running the page again."""
    st.session_state[_DONE] = message


def show_done() -> bool:
    """The toast of the action that ended the run before this one; whether there was one."""
    message = st.session_state.pop(_DONE, None)
    if message:
        st.toast(literal(message), icon=":material/check_circle:")
    return bool(message)
