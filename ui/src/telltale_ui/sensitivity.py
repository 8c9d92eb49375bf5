"""The dialog in which a person sets how sensitive one series is watched, and first sees what that would have marked."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from telltale_ui import charts, feedback, login, tables, times
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

OWN = "own"
_NAMES = {"low": "Low", "normal": "Normal", "high": "High", OWN: "A number"}
_HOURS = {"30 min": 0.5, "2 h": 2.0, "6 h": 6.0, "1 d": 24.0}
_KINDS = {
    "spike": "Spikes", "level_shift": "Level shifts", "variance": "Variance", "season": "Broken seasons",
    "flatline": "Flatlines", "out_of_range": "Out of range",
}  # fmt: skip


@st.dialog("Sensitivity", icon=":material/tune:", width="large")
def sensitivity_dialog(series: list[dict[str, Any]]) -> None:
    """Choose, try on stored readings, save."""
    if not series:
        st.info("There is no series yet: it begins with its first reading.", icon=":material/hourglass_top:")
        return
    names = {charts.series_name(one): one for one in series}
    name = st.selectbox("Series", list(names), key="sensitivity_series")
    source, category = names[name]["source"], names[name]["category"]
    try:
        now = login.api().sensitivity(source, category)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    chosen = _choose(now)
    _lessons(now)
    span = st.segmented_control("Try it on the last", list(_HOURS), default="2 h", required=True, key="try_span")
    tried = st.button("Try", icon=":material/science:", key="sensitivity_try")
    if tried:
        _try(source, category, chosen, timedelta(hours=_HOURS[span]))
    if not login.user().may("USER"):
        st.caption("Setting the sensitivity needs the role USER.")
        return
    forget = False
    if any(one["lessons"] > 0 for one in now["kinds"]):
        forget = st.checkbox("Forget what dismissed anomalies taught", key="sensitivity_forget")
    if st.button("Save", type="primary", icon=":material/check:", key="sensitivity_save"):
        try:
            login.api().set_sensitivity(source, category, chosen, forget_verdicts=forget)
        except ApiError as error:
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
            return
        feedback.done(f"{source} · {category} is watched with the new sensitivity.")
        st.rerun()


def _choose(now: dict[str, Any]) -> dict[str, Any]:
    """The level or number that is chosen in the dialog, as the service takes it."""
    level = st.segmented_control(
        "Sensitivity", list(_NAMES), default=now["level"] or OWN, required=True, format_func=lambda one: _NAMES[one],
        key="sensitivity_level",
    )  # fmt: skip
    if level != OWN:
        st.caption(f"Marks from a score of {now['levels'][level]:g} on: so many usual spreads from what was expected.")
        return {"level": level}
    number = st.slider("Marks from a score of", 4.0, 25.0, float(now["threshold"]), 0.5, key="sensitivity_number")
    return {"threshold": number}


def _lessons(now: dict[str, Any]) -> None:
    """Say which kinds dismissed anomalies made less sensitive."""
    taught = [one for one in now["kinds"] if one["lessons"] > 0]
    for one in taught:
        kind, factor = literal(_KINDS.get(one["kind"], one["kind"])), one["limit"] / now["threshold"]
        st.caption(
            f":material/school: {kind} must be {factor:.2g} times as unusual here:"
            f" {one['lessons']} more dismissed than confirmed. Taking a verdict back takes this back."
        )


def _try(source: str, category: str, chosen: dict[str, Any], span: timedelta) -> None:
    """Draw what would have been marked."""
    until = datetime.now(UTC)
    params = {"from": times.rfc3339(until - span), "to": times.rfc3339(until)}
    one = {"source": source, "category": category}
    try:
        with st.spinner("Trying it on stored readings …"):
            result = login.api().try_sensitivity(one | chosen | params)
            lines = login.api().timeseries({**one, **params})["series"]
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    marked = result["anomalies"]
    points = lines[0]["points"] if lines else []
    st.plotly_chart(trial_chart(points, marked, times.viewer_zone()), key="trial_chart")
    whole = "" if result["is_whole"] else f" (the newest {result['readings']:,} readings of the range)"
    st.markdown(f"**{len(marked)}** of {result['readings']:,} readings would have been marked{whole}.")
    rows = [
        {
            "at": times.clock(times.parse(anomaly["observed_at"])),
            "kind": _KINDS.get(anomaly["kind"], anomaly["kind"]),
            "value": tables.number_text(anomaly["value"], None),
            "why": anomaly["explanation"],
        }
        for anomaly in marked[:100]
    ]
    if rows:
        st.dataframe(rows, hide_index=True, key="trial_table")


def trial_chart(points: list[dict[str, Any]], marked: list[dict[str, Any]], zone: tzinfo) -> go.Figure:
    """The series as a line with its gaps, what would have been marked as diamonds on it."""
    figure = go.Figure()
    for number, stretch in enumerate(charts.stretches(points)):
        figure.add_scatter(
            x=[_wall_clock(point["at"], zone) for point in stretch],
            y=[point["mean"] for point in stretch],
            mode="lines",
            name="mean",
            line={"color": charts.PALETTE[0]},
            showlegend=number == 0,
        )
    figure.add_scatter(
        x=[_wall_clock(one["observed_at"], zone) for one in marked],
        y=[one["value"] for one in marked],
        mode="markers",
        marker={"symbol": "diamond-open", "size": 11, "color": charts.ANOMALY_COLOUR, "line": {"width": 2}},
        name="would be marked",
        text=[one["explanation"] for one in marked],
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(height=280, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h"})
    return figure


def _wall_clock(instant: str, zone: tzinfo) -> datetime:
    """Plotly knows no zones: it is given wall-clock time."""
    return times.parse(instant).astimezone(zone).replace(tzinfo=None)
