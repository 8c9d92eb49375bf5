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
    st.metric(label, shown, change, delta_color="off", border=True, delta_description=was)


api = login.api()
series = api.series()

st.title("Analytics")
selection = filter_bar(series, default_span="1 h")
params = selection.params()
summary = api.summary(params)

if not summary.get("count"):
    feedback.show_empty(
        "No readings in this range",
        "Choose a longer range or other series. The live page shows what arrives right now.",
        icon=":material/query_stats:",
    )
    st.stop()

units = {one["unit"] for one in summary.get("by_unit", [])} or {
    one["unit"]
    for one in series
    if (not selection.sources or one["source"] in selection.sources)
    and (not selection.categories or one["category"] in selection.categories)
}
unit = units.pop() if len(units) == 1 else None
with st.grid(5, min_column_width=150):
    metric("Readings", "count", summary)
    metric("Mean", "mean", summary, unit)
    metric("p50", "p50", summary, unit)
    metric("p95", "p95", summary, unit)
    metric("Anomalies", "anomalies", summary)
if unit is None:
    st.caption("These readings have several units: choose one category for a mean that means something.")

drawn = api.timeseries(params)["series"]
if len(drawn) > SERIES_DRAWN:
    st.caption(f"The first {SERIES_DRAWN} of {len(drawn)} series. Choose a source or a category to see others.")
anomalies = api.anomalies({**params, "limit": 1000}).items
palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or charts.PALETTE
figure = charts.timeseries_figure(drawn[:SERIES_DRAWN], anomalies, palette, start=selection.start, end=selection.end)
st.plotly_chart(figure, key="timeseries", config={"displayModeBar": False}, alt="Readings over time with anomalies")
st.caption(f"Line: mean. Band: lowest to highest. Diamond: anomaly. Times in {times.viewer_zone().key}.")

st.subheader("Categories side by side")
st.dataframe(
    tables.frame(api.categories(params)["items"], CATEGORY_COLUMNS),
    hide_index=True,
    column_config={
        name: st.column_config.NumberColumn(format="%.4g") for name in ("Mean", "Lowest", "p50", "p95", "Highest")
    },
    placeholder="",
    alt="Numbers per category",
)
