"""Lets the browser call our session routes, which may set and clear the cookie that a page script cannot."""

import streamlit as st

_SCRIPT = """
const call = (path, body) =>
  fetch(path, { method: "POST", body, credentials: "same-origin", cache: "no-store" });

export default function ({ data }) {
  // Streamlit runs this again on each rerun; one ticket is worth one call.
  if (!data || window.__telltaleSessionCall === data.once) return;
  window.__telltaleSessionCall = data.once;
  const done = data.action === "start" ? call("/session/start", data.once) : call("/session/end");
  // The address stays, so the page that was asked for opens. A refused ticket shows the sign-in page again.
  done.finally(() => (data.action === "start" ? location.reload() : location.assign("/")));
}
"""

_bridge = st.components.v2.component("telltale_session_bridge", js=_SCRIPT)


def keep_session(ticket: str) -> None:
    """Have the browser exchange ``ticket`` for the session cookie, then load the page anew, signed in."""
    _bridge(key="session_start", data={"action": "start", "once": ticket}, height=1)


def drop_session(once: str) -> None:
    """Have the browser end its session and load the sign-in page; ``once`` makes it happen a single time."""
    _bridge(key="session_end", data={"action": "end", "once": once}, height=1)
