"""Silences: what is kept quiet, until when, why and by whom."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.alerts import words
from telltale_ui.api_client import ApiError

SPANS = {
    "30 min": timedelta(minutes=30),
    "2 h": timedelta(hours=2),
    "8 h": timedelta(hours=8),
    "1 d": timedelta(days=1),
    "7 d": timedelta(days=7),
}
THIS_SERIES, EVERY_SERIES, EVERY_RULE = "This rule and series", "This rule, every series", "Every rule, this series"
COLUMNS = {"rule": "Rule", "scope": "Series", "ends_at": "Until", "reason": "Why", "created_by": "By"}


@st.dialog("Silence", icon=":material/notifications_off:")
def silence_dialog(alert: dict[str, Any]) -> None:
    """Keep an alert quiet, and those like it."""
    st.markdown(words.heading(alert))
    choices = [THIS_SERIES, EVERY_SERIES, EVERY_RULE] if alert["source"] else [EVERY_SERIES]
    what = st.selectbox("What", choices, key="silence_what")
    span = st.segmented_control("For", list(SPANS), default="2 h", required=True, key="silence_span")
    reason = st.text_input("Why", key="silence_reason", max_chars=500, placeholder="Cleaning until noon")
    st.caption("It still shows here, as silenced. Nobody else is told of it.")
    if not st.button("Silence", type="primary", icon=":material/check:", key="silence_confirm"):
        return
    if not (reason or "").strip():
        st.error("Say why: others will wonder.", icon=":material/error:")
        return
    body = {
        "rule_id": None if what == EVERY_RULE else alert["rule_id"],
        "sources": [] if what == EVERY_SERIES else [alert["source"]],
        "categories": [] if what == EVERY_SERIES else [alert["category"]],
        "ends_at": times.rfc3339(datetime.now(UTC) + SPANS[span]),
        "reason": reason,
    }
    try:
        login.api().begin_silence(body)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        feedback.done(f"It is silent for {span}.")
        st.rerun()


def show() -> None:
    """The silences that last."""
    api = login.api()
    silences, names = api.silences(), {rule["id"]: rule["name"] for rule in api.rules()}
    if not silences:
        feedback.show_empty(
            "Nothing is silenced",
            "Silence an alert while it fires: it stays on screen, and nobody else is told of it.",
            icon=":material/notifications:",
        )
        return
    rows = [
        {**one, "rule": names.get(one["rule_id"], "a deleted rule") if one["rule_id"] else "every rule"}
        | {"scope": words.scope(one)}
        for one in silences
    ]
    st.dataframe(
        tables.frame(rows, COLUMNS, instants=["ends_at"]),
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={"Until": tables.instant_column()},
        placeholder="",
        alt="Silences",
    )
    if not login.user().may("USER"):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        labels = {f"{row['rule']} · {row['scope']} · {row['reason']}": row["id"] for row in rows}
        chosen = st.selectbox("End one now", list(labels), index=None, key="silence_to_end", placeholder="Choose one")
        if st.button("End it", icon=":material/notifications:", key="silence_end", disabled=not chosen) and chosen:
            api.end_silence(labels[chosen])
            feedback.done("The silence has ended.")
            st.rerun()
