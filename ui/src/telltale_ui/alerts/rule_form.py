"""The dialog that makes or changes a rule, and tries it on the past before it is saved."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.alerts import words
from telltale_ui.api_client import ApiError

PASTS = {"1 h": timedelta(hours=1), "24 h": timedelta(hours=24), "7 d": timedelta(days=7)}
TRIAL_COLUMNS = {"fired_at": "Fired", "resolved_at": "Resolved", "series": "Series", "explanation": "Why"}
DEFAULTS = {"threshold": (0, 0), "anomaly": (0, 300), "no_data": (60, 0), "missing_readings": (60, 0)}
"""By kind: seconds that the condition must hold, and that it must be over."""
ANOMALY_KINDS = ["spike", "level_shift", "variance", "season", "flatline", "out_of_range"]


@st.dialog("Rule", icon=":material/notifications:", width="large")
def rule_dialog(series: Sequence[dict[str, Any]], rule: dict[str, Any] | None = None) -> None:
    """A new rule, or ``rule`` to be changed."""
    body = _form(series, rule or {})
    past, tried = "", False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if body["condition"]["kind"] != "missing_readings":
            past = st.segmented_control("Past", list(PASTS), default="1 h", required=True, key="trial_past")
            tried = st.button("Try it", icon=":material/science:", key="rule_try")
        save = st.button("Save", type="primary", icon=":material/check:", key="rule_save")
    if tried:
        _try(body, PASTS[past])
    if save:
        _save(body, rule)


def _form(series: Sequence[dict[str, Any]], old: dict[str, Any]) -> dict[str, Any]:
    """The fields; what they say as a rule."""
    key = f"{old.get('id', 'new')}_{old.get('version', 0)}"
    built_in = old.get("built_in", False)
    condition = old.get("condition", {})
    left, right = st.columns([3, 1])
    name = left.text_input("Name", old.get("name", ""), key=f"rule_name_{key}", max_chars=100)
    severity = right.selectbox(
        "Severity", words.SEVERITIES, words.SEVERITIES.index(old.get("severity", "warning")), key=f"rule_severity_{key}"
    )
    kinds = ["missing_readings"] if built_in else [kind for kind in words.KINDS if kind != "missing_readings"]
    kind = st.selectbox(
        "Watch for", kinds, kinds.index(condition.get("kind", kinds[0])), format_func=words.KINDS.__getitem__,
        key=f"rule_kind_{key}",
    )  # fmt: skip
    sources, categories = ([], []) if built_in else _series(series, old, key)
    asked = _condition(kind, condition, key)
    hold, clear_after = _durations(kind, old, key)
    enabled = True if built_in else st.toggle("Switched on", old.get("enabled", True), key=f"rule_enabled_{key}")
    return {
        "name": name,
        "severity": severity,
        "enabled": enabled,
        "sources": sources,
        "categories": categories,
        "condition": asked,
        "for_seconds": hold,
        "clear_after_seconds": clear_after,
    }


def _series(series: Sequence[dict[str, Any]], old: dict[str, Any], key: str) -> tuple[list[str], list[str]]:
    chosen: list[list[str]] = []
    for column, field, label in zip(
        st.columns(2), ("source", "category"), (("Source", "sources"), ("Category", "categories")), strict=True
    ):
        kept = old.get(label[1], [])
        known = sorted({one[field] for one in series} | set(kept))
        chosen.append(
            column.multiselect(label[0], known, kept, key=f"rule_{field}_{key}", placeholder=f"All {label[1]}")
        )
    return chosen[0], chosen[1]


def _condition(kind: str, old: dict[str, Any], key: str) -> dict[str, Any]:
    if kind == "threshold":
        side, limit, clear = st.columns(3)
        direction = side.selectbox(
            "Fires when a value is", ["above", "below"], ["above", "below"].index(old.get("direction", "above")),
            key=f"rule_direction_{key}",
        )  # fmt: skip
        value = limit.number_input("Limit", value=old.get("value"), format="%g", key=f"rule_value_{key}")
        back = clear.number_input(
            "Ends at", value=old.get("clear"), format="%g", key=f"rule_clear_{key}", placeholder="the limit",
            help="Further back than the limit, a value that swings around it makes one alert and not many.",
        )  # fmt: skip
        return {"kind": kind, "direction": direction, "value": value, "clear": back}
    if kind == "anomaly":
        which, score = st.columns([2, 1])
        kept = old.get("kinds", [])
        kinds = which.multiselect(
            "Kinds", sorted({*ANOMALY_KINDS, *kept}), kept, key=f"rule_kinds_{key}", placeholder="All kinds"
        )
        least = score.number_input(
            "Score of at least", 0.0, 1e6, float(old.get("min_score", 0.0)), format="%g", key=f"rule_score_{key}"
        )
        return {"kind": kind, "kinds": kinds, "min_score": least}
    return {"kind": kind}


def _durations(kind: str, old: dict[str, Any], key: str) -> tuple[int, int]:
    same = old.get("condition", {}).get("kind") == kind
    hold, clear_after = (old["for_seconds"], old["clear_after_seconds"]) if same else DEFAULTS[kind]
    first, second = st.columns(2)
    label = "Seconds of silence" if kind == "no_data" else "For so many seconds"
    least = 10 if kind == "no_data" else 0
    asked = first.number_input(label, least, 604_800, max(least, int(hold)), key=f"rule_for_{key}_{kind}")
    least = 1 if kind == "anomaly" else 0
    over = second.number_input(
        "Resolved when it is over for so many seconds", least, 604_800, max(least, int(clear_after)),
        key=f"rule_clear_after_{key}_{kind}",
    )  # fmt: skip
    return asked, over


def _try(body: dict[str, Any], span: timedelta) -> None:
    """Show what the rule would have done."""
    if not _is_complete(body):
        return
    until = datetime.now(UTC)
    try:
        with st.spinner("Trying it on stored readings …"):
            trial = login.api().try_rule(body, times.rfc3339(until - span), times.rfc3339(until))
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    what = "anomalies" if body["condition"]["kind"] == "anomaly" else "readings"
    count = trial["total"]
    fired = "would not have fired" if count == 0 else f"would have fired **{count:,}** time{'s' if count > 1 else ''}"
    st.markdown(f"It {fired}: {trial['readings']:,} {what} of {trial['series']:,} series were looked at.")
    if not trial["is_complete"]:
        st.caption(
            f"There were too many: looked at up to {times.clock(times.parse(trial['evaluated_to']))}."
            " Choose a shorter past or fewer series to see the rest."
        )
    rows = [{**one, "series": words.series_name(one)} for one in trial["alerts"][-100:][::-1]]
    if rows:
        st.dataframe(
            tables.frame(rows, TRIAL_COLUMNS, instants=["fired_at", "resolved_at"]),
            hide_index=True,
            height=240,
            column_config={"Fired": tables.instant_column(), "Resolved": tables.instant_column()},
            placeholder="",
            alt="What it would have done",
            key="rule_trial",
        )


def _is_complete(body: dict[str, Any]) -> bool:
    if not body["name"].strip():
        st.error("Give the rule a name.", icon=":material/error:")
    elif body["condition"].get("value", 0) is None:
        st.error("Give the limit.", icon=":material/error:")
    else:
        return True
    return False


def _save(body: dict[str, Any], rule: dict[str, Any] | None) -> None:
    if not _is_complete(body):
        return
    try:
        if rule is None:
            login.api().create_rule(body)
        else:
            login.api().change_rule(rule["id"], body, rule["version"])
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        feedback.done("The rule is saved and watched by.")
        st.rerun()
