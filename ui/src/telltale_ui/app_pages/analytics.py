"""A range of stored readings: five numbers, the series over time with its anomalies, what leads, and comparisons."""

import streamlit as st

from telltale_ui import charts, feedback, login, times
from telltale_ui.analytics.comparison import side_by_side, top_list
from telltale_ui.analytics.distribution import distribution
from telltale_ui.analytics.downloads import offer_downloads
from telltale_ui.analytics.notes import Notes
from telltale_ui.analytics.numbers import five_numbers, more_numbers
from telltale_ui.analytics.series_chart import chart_options, draw, fetch_series, present_series, series_pages
from telltale_ui.filters import filter_bar
from telltale_ui.imports.recent import recent_imports

st.title("Analytics")
api = login.api()
series = api.series()
selection = filter_bar("analytics", series, recent_imports())
params = selection.params()
has_ends = selection.range.start is not None
summary = api.summary({**params, "compare": has_ends})

if not summary["count"]:
    feedback.show_empty(
        "No readings in this range",
        "Choose a longer range, zoom out, or clear a filter. The live page shows what arrives right now.",
        icon=":material/query_stats:",
    )
    st.stop()

start = selection.range.start or times.parse(summary["first"]["observed_at"])
end = selection.range.end or times.parse(summary["last"]["observed_at"])
palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or charts.PALETTE

notes = Notes()
numbers = st.container()
options = chart_options(may_compare=has_ends)
present, series_total = present_series(series, selection)
chart = st.container()
number = 1 if options.by_category else series_pages(present)
shown, anomalies = fetch_series(selection, present, number, options)
with numbers:
    notes.show(summary)
    five_numbers(summary, series_total, len({one["category"] for one in present}))
    more_numbers(summary)
with chart:
    notes.show(shown)
    draw(shown, anomalies, (start, end), options, palette)

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Distribution")
    distribution(params, palette, notes)
with right:
    st.subheader("What leads")
    top_list(params, notes)
side_by_side(params, notes, compare=options.compare)
offer_downloads(selection, shown, summary)
