"""A range of stored readings: five numbers, the series over time with its anomalies, categories side by side."""

from typing import Any

import streamlit as st

from telltale_ui import charts, feedback, login, tables, times
from telltale_ui.filters import filter_bar

SERIES_DRAWN = 8
CATEGORY_COLUMNS = {
    "category": "Category",
    "unit": "Unit",
    "count": "Readings",
    "mean": "Mean",
    "min": "Lowest",
    "p50": "p50",
    "p95": "p95",
    "max": "Highest",
    "anomalies": "Anomalies",
}


def metric(label: str, field: str, summary: dict[str, Any], unit: str | None = None) -> None:
    """One number with its change against the period of the same length before."""
    value, before = summary.get(field), (summary.get("previous") or {}).get(field)
    whole = field in ("count", "anomalies")

    def text(number: float) -> str:
        return f"{number:,.0f}" if whole else tables.number_text(number)

    change = was = None
    if value is not None and before is not None:
        change = f"{'-' if value < before else '+'}{text(abs(value - before))}"
        was = f"was {text(before)}"
    shown = "–" if value is None else text(value) + (f" {unit}" if unit else "")
    st.metric(label, shown, change, delta_color="off", border=True, height="stretch", delta_description=was)


st.title("Analytics")
api = login.api()
series = api.series()
selection = filter_bar(series, default_span="1 h")
params = selection.params()
summary = api.summary({**params, "compare": True})

if not summary["count"]:
    feedback.show_empty(
        "No readings in this range",
        "Choose a longer range or other series. The live page shows what arrives right now.",
        icon=":material/query_stats:",
    )
    st.stop()

timeseries = api.timeseries(params)
categories = api.categories(params)["items"]
units = summary["by_unit"]
with st.grid(5, min_column_width=150):
    metric("Readings", "count", summary)
    if len(units) == 1:
        unit = units[0]["unit"]
        metric("Mean", "mean", summary, unit)
        metric("p50", "p50", summary, unit)
        metric("p95", "p95", summary, unit)
    else:
        st.metric("Series", f"{timeseries['series_total']:,}", border=True, height="stretch")
        st.metric("Categories", f"{len(categories):,}", border=True, height="stretch")
        st.metric("Units", f"{len(units):,}", border=True, height="stretch")
    metric("Anomalies", "anomalies", summary)
if len(units) > 1:
    st.caption("Readings of several units have no common mean: choose one category for it, or see the table below.")
elif summary["p50"] is None:
    st.caption("There are too many readings for percentiles: choose a shorter range for them.")

drawn = timeseries["series"][:SERIES_DRAWN]
if timeseries["series_total"] > SERIES_DRAWN:
    st.caption(
        f"The first {SERIES_DRAWN} of {timeseries['series_total']} series: choose a source or category for others."
    )
anomalies = api.anomalies({**params, "limit": 1000}).items
palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or charts.PALETTE
zone = times.viewer_zone()
figure = charts.timeseries_figure(drawn, anomalies, palette, start=selection.start, end=selection.end, zone=zone)
st.plotly_chart(figure, key="timeseries", config={"displayModeBar": False}, alt="Readings over time with anomalies")
legend = f"Line: mean per {timeseries['bucket']}. Band: lowest to highest. Diamond: anomaly."
st.caption(f"{legend} Times in {zone.key}.")

st.subheader("Categories side by side")
st.dataframe(
    tables.frame(categories, CATEGORY_COLUMNS),
    hide_index=True,
    column_config={
        name: st.column_config.NumberColumn(format="%.6g") for name in ("Mean", "Lowest", "p50", "p95", "Highest")
    },
    placeholder="",
    alt="Numbers per category",
)
