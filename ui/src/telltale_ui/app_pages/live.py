"""What is measured right now: tiles, charts and anomalies, drawn in the browser from its own WebSocket."""

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.inject import inject_dialog
from telltale_ui.judge import judge_dialog
from telltale_ui.live_chart import live_chart

feedback.show_done()
series = login.api().series()
sources = sorted({one["source"] for one in series})
categories = sorted({one["category"] for one in series})

with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen_sources = st.multiselect("Source", sources, key="source", bind="query-params", placeholder="All sources")
    chosen_categories = st.multiselect(
        "Category", categories, key="category", bind="query-params", placeholder="All categories"
    )
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

events = live_chart(
    sources=chosen_sources, categories=chosen_categories, minutes=int(minutes.split()[0]), key="live_chart"
)
if events.account_changed:
    login.forget_token()
    st.rerun()
if events.clicked:
    judge_dialog(events.clicked)
