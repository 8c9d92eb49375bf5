"""The dialog that has the generator produce one anomaly."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError

_KINDS = {"spike": "Spike", "level_shift": "Level shift", "flatline": "Flatline", "out_of_range": "Out of range"}


@st.dialog("Inject an anomaly", icon=":material/bolt:")
def inject_dialog(series: list[dict[str, Any]]) -> None:
    """Ask for series and kind, then ask the generator."""
    st.caption("The generator sends unusual readings for one series; the detector should mark them in a moment.")
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
            login.api().inject_anomaly(body)
        except ApiError as error:
            st.error(feedback.describe(error), icon=":material/error:")
            return
        feedback.done("The anomaly is on its way.")
        st.rerun()
