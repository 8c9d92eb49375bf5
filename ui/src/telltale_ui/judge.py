"""The dialog in which a person confirms or dismisses an anomaly."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

_LOOKS, _LOOK_SECONDS = 6, 0.5
_JUDGED, _SETTLED = "live_judged", "live_settled"


def find_anomaly(clicked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stored anomaly behind a marker or feed entry; ``None`` while it is not stored yet."""
    at = times.from_microseconds(int(clicked["observed_at"]))
    page = login.api().anomalies(
        {
            "source": clicked["source"],
            "category": clicked["category"],
            "from": times.rfc3339(at),
            "to": times.rfc3339(at + timedelta(microseconds=1)),
        }
    )
    return next((one for one in page.items if one["detector"] == clicked["detector"]), None)


def verdicts() -> dict[str, str | None]:
    """What people have said about the anomalies of the last hour, and this person about others, by the chart's key."""
    found = login.api().anomalies(
        {
            "from": times.rfc3339(datetime.now(UTC) - timedelta(hours=1)),
            "verdict": ["confirmed", "dismissed"],
            "limit": 1000,
        }
    )
    judged: dict[str, str | None] = st.session_state.get(_JUDGED, {})
    return judged | {_key(one): one["verdict"] for one in found.items if one.get("verdict")}


def _key(anomaly: dict[str, Any]) -> str:
    instant = times.to_microseconds(times.parse(anomaly["observed_at"]))
    return f"{anomaly['source']}\n{anomaly['category']}\n{instant}\n{anomaly['detector']}"


def _store(found: dict[str, Any], verdict: str | None) -> None:
    login.api().judge_anomaly(str(found["id"]), verdict)
    st.session_state.setdefault(_JUDGED, {})[_key(found)] = verdict
    feedback.done(_said(verdict))


@st.dialog("Anomaly", icon=":material/troubleshoot:")
def judge_dialog(clicked: dict[str, Any]) -> None:
    """What was seen and expected, and the verdict."""
    try:
        found = find_anomaly(clicked)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    st.markdown(f"**{literal(clicked['source'])} · {literal(clicked['category'])}**")
    st.caption(f"{times.clock(times.from_microseconds(int(clicked['observed_at'])))} ({times.viewer_zone().key})")
    if found is None:
        st.info("This anomaly is still being stored. Try again in a second.", icon=":material/hourglass_top:")
        st.button("Try again", icon=":material/refresh:")
        return
    unit = found.get("unit")
    low, high = (literal(tables.number_text(found[field], unit)) for field in ("expected_low", "expected_high"))
    st.markdown(f"Measured **{literal(tables.number_text(found['value'], unit))}**, expected {low} to {high}.")
    if found.get("explanation"):
        st.markdown(literal(found["explanation"]))
    st.caption(literal(f"Score {found['score']:.1f}, detector {found['detector']} {found.get('version', '')}"))
    if found.get("verdict"):
        st.caption(f"Verdict so far: {found['verdict']}")
    if not login.user().may("USER"):
        st.caption("Judging anomalies needs the role USER.")
        return
    with st.container(horizontal=True):
        verdict = None
        if st.button("Confirm", type="primary", icon=":material/check:", key="verdict_confirm"):
            verdict = "confirmed"
        if st.button("Dismiss", icon=":material/close:", key="verdict_dismiss"):
            verdict = "dismissed"
    if verdict is None:
        return
    try:
        _store(found, verdict)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    st.rerun()


def settled() -> int:
    """Up to which number the verdicts that were given in the feed have been dealt with."""
    number: int = st.session_state.get(_SETTLED, 0)
    return number


def judge(given: Sequence[Mapping[str, Any]]) -> None:
    """Store verdicts that were given in the feed, each once: it tells all until it hears that they are settled.

    For callbacks: the run that follows shows them.
    """
    for one in given:
        if one["number"] > settled():
            _judge(one, one["verdict"])
            st.session_state[_SETTLED] = one["number"]


def _judge(clicked: Mapping[str, Any], verdict: str | None) -> None:
    try:
        found = _find_once_stored(clicked)
        if found is None:
            st.toast("This anomaly is still being stored. Try again in a moment.", icon=":material/hourglass_top:")
            return
        _store(found, verdict)
    except ApiError as error:
        st.toast(feedback.describe(error), icon=":material/error:")


def _find_once_stored(clicked: Mapping[str, Any]) -> dict[str, Any] | None:
    """An anomaly is on the screen before it is in the database, by about a second."""
    for _ in range(_LOOKS - 1):
        found = find_anomaly(clicked)
        if found is not None:
            return found
        time.sleep(_LOOK_SECONDS)
    return find_anomaly(clicked)


def _said(verdict: str | None) -> str:
    if verdict is None:
        return "The verdict is taken back."
    lesson = " Its kind must be more unusual in this series from now on." if verdict == "dismissed" else ""
    return f"The anomaly is {verdict}.{lesson}"
