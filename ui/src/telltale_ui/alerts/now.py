"""What fires now, looked at again every few seconds; acknowledging and silencing."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, times
from telltale_ui.alerts import words
from telltale_ui.alerts.silences import silence_dialog
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

OPEN = ["pending", "firing", "acknowledged", "silenced"]
LOOK_SECONDS = 3.0
SHOWN = 20
_ASKED = "alert_asked"
_ORDER = {state: place for place, state in enumerate(("firing", "acknowledged", "silenced", "pending"))}


def show() -> None:
    """The alerts that are open, worst first."""
    asked: tuple[str, dict[str, Any]] | None = st.session_state.pop(_ASKED, None)
    if asked is not None:
        dialog = acknowledge_dialog if asked[0] == "acknowledge" else silence_dialog
        dialog(asked[1])
    _look()


def _ask(what: str, alert: dict[str, Any]) -> None:
    # Opened by the page itself: what a fragment opens would go with its next run.
    st.session_state[_ASKED] = what, alert
    st.rerun()


@st.fragment(run_every=LOOK_SECONDS)
def _look() -> None:
    try:
        status, page = login.api().alert_status(), login.api().alerts({"state": OPEN, "limit": 1000})
    except ApiError as error:
        # What was there stays on screen in the browser until this is shown in its place.
        st.error(feedback.describe(error), title="What fires now is not known", icon=":material/error:")
        st.caption("This is looked at again by itself.")
        return
    for doubt in status["cannot_tell"]:
        st.warning(f"Cannot tell: {literal(doubt)}.", icon=":material/help:")
    if not page.items:
        with st.container(border=True):
            told = "as far as that can be told." if status["cannot_tell"] else "of what the rules below watch for."
            st.markdown(f":green[:material/check_circle:] **Nothing fires**, {told}")
        return
    ordered = sorted(
        page.items,
        key=lambda one: (_ORDER[one["state"]], words.SEVERITIES.index(one["severity"]), one["since"]),
    )
    for alert in ordered[:SHOWN]:
        _card(alert)
    if (total := page.total or 0) > SHOWN:
        st.caption(f"{total - SHOWN:,} more are in the history below.")


def _card(alert: dict[str, Any]) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap="small"):
            st.markdown(f"{words.ICONS[alert['severity']]} {words.heading(alert)} {words.STATES[alert['state']]}")
            st.caption(literal(_details(alert)))
        if not login.user().may("USER") or alert["state"] == "pending":
            return
        key = alert["id"]  # without its state: a click counts although somebody else acknowledged meanwhile
        if alert["acknowledged_by"]:
            if st.button("Give back", icon=":material/undo:", key=f"give_back_{key}"):
                _carry_out(lambda: login.api().give_alert_back(alert["id"]))
        elif st.button("Acknowledge", icon=":material/visibility:", key=f"acknowledge_{key}"):
            _ask("acknowledge", alert)
        if alert["state"] != "silenced" and st.button(
            "Silence", icon=":material/notifications_off:", key=f"silence_{key}"
        ):
            _ask("silence", alert)


def _details(alert: dict[str, Any]) -> str:
    since = times.parse(alert["since"])
    parts = [alert["explanation"].rstrip("."), f"since {times.clock(since)} ({times.age(since, datetime.now(UTC))})"]
    if alert["acknowledged_by"]:
        parts.append(f"{alert['acknowledged_by']} looks after it")
    if alert["silenced_until"]:
        parts.append(f"silent until {times.clock(times.parse(alert['silenced_until']))}")
    return " · ".join(parts)


def _carry_out(action: Any) -> None:
    try:
        action()
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        st.rerun()


@st.dialog("Acknowledge", icon=":material/visibility:")
def acknowledge_dialog(alert: dict[str, Any]) -> None:
    """Say that one looks after it."""
    st.markdown(words.heading(alert))
    st.caption("Everybody sees that you look after it, and nobody is told again until it is resolved.")
    note = st.text_input("Note", key="acknowledge_note", max_chars=500, placeholder="What you know or do about it")
    if st.button("Acknowledge", type="primary", icon=":material/check:", key="acknowledge_confirm"):
        _carry_out(lambda: login.api().acknowledge_alert(alert["id"], note or ""))
