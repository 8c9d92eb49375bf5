"""What is measured right now: tiles, charts and anomalies, drawn in the browser from its own WebSocket."""

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError
from telltale_ui.filters import series_filters
from telltale_ui.inject import inject_dialog
from telltale_ui.judge import judge_dialog, verdicts
from telltale_ui.live_chart import live_chart
from telltale_ui.sensitivity import sensitivity_dialog

feedback.show_done()
try:
    series, judged = login.api().series(), verdicts()
except ApiError as error:
    # The charts need no stored series: they go on while the filters lack their choices.
    series, judged = [], {}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/warning: The choice of series is not available. {feedback.describe(error)}")
        feedback.retry_by_itself()
with st.container(horizontal=True, vertical_alignment="bottom"):
    sources, categories = series_filters(series)
    minutes = st.segmented_control(
        "Range",
        ["1 min", "5 min", "15 min"],
        default="5 min",
        required=True,
        key="range",
        bind="query-params",
    )
    if login.user().may("USER"):
        inject = st.button(
            "Inject an anomaly",
            icon=":material/bolt:",
            key="inject",
            help="Have the generator send one unusual reading, to see it caught.",
        )
        if inject:
            inject_dialog(series)
    if st.button(
        "Sensitivity",
        icon=":material/tune:",
        key="sensitivity",
        help="How unusual a reading must be to be marked; tried on stored readings before it is saved.",
    ):
        sensitivity_dialog(series)

events = live_chart(
    sources=sources, categories=categories, minutes=int(minutes.split()[0]), verdicts=judged, key="live_chart"
)
if events.account_changed:
    login.forget_token()
    st.rerun()
if events.clicked:
    judge_dialog(events.clicked)
