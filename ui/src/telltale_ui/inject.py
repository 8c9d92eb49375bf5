"""The dialog that has the generator produce one anomaly."""

import time
from typing import Any

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError

_KINDS = {"spike": "Spike", "level_shift": "Level shift", "flatline": "Flatline", "out_of_range": "Out of range"}


_POINT = "live_point_at"


def point_at() -> dict[str, Any] | None:
    """The series of the last injected anomaly, with an ``id`` of its own."""
    pointed: dict[str, Any] | None = st.session_state.get(_POINT)
    return pointed


@st.dialog("Inject an anomaly", icon=":material/bolt:")
def inject_dialog() -> None:
    """Ask for series and kind, then ask the generator."""
    st.markdown(
        "The generator makes one sensor go wrong. Within seconds the detector marks it on its chart and says why in "
        "the list of anomalies. It gets to know a new series for its first minute and marks nothing there until then."
    )
    try:
        series = login.api().generator()["series"]
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    names = {f"{one['source']} · {one['category']}": one for one in series}
    chosen = st.selectbox("Series", list(names), index=None, placeholder="Let the generator choose")
    kind = st.segmented_control(
        "Kind", list(_KINDS), default="spike", required=True, format_func=lambda one: _KINDS[one]
    )
    if st.button("Inject", type="primary", icon=":material/bolt:", key="inject_confirm"):
        body: dict[str, Any] = {"kind": kind}
        if chosen:
            body |= {"source": names[chosen]["source"], "category": names[chosen]["category"]}
        try:
            made = login.api().inject_anomaly(body)
        except ApiError as error:
            st.error(feedback.describe(error), icon=":material/error:")
            return
        source, category = made["source"], made["category"]
        st.session_state[_POINT] = {"id": time.time_ns() // 1_000, "source": source, "category": category}
        feedback.done(f"{_KINDS.get(kind, kind)} on its way: watch {source} · {category}.")
        st.rerun()
