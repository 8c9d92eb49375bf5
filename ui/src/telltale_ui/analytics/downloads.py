"""What the Analytics page shows, as files."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import streamlit as st

from telltale_ui.exports.files import export_link
from telltale_ui.filters import Selection

_POINT = ("at", "count", "mean", "min", "max")
_FIGURES = ("count", "mean", "min", "max", "stddev", "p50", "p90", "p95", "p99", "anomalies")


def _csv(rows: Iterator[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def chart_rows(shown: dict[str, Any]) -> Iterator[list[Any]]:
    """The points of the chart, a row each."""
    yield ["source", "category", "unit", *_POINT]
    for one in shown["series"]:
        for point in one["points"]:
            yield [one.get("source"), one.get("category"), one.get("unit"), *(point[field] for field in _POINT)]


def number_rows(summary: dict[str, Any]) -> Iterator[list[Any]]:
    """The numbers of the range, beside those of the period before."""
    before = summary.get("previous") or {}
    yield ["figure", "value", "previous"]
    for field in _FIGURES:
        yield [field, summary.get(field), before.get(field)]


def offer_downloads(selection: Selection, shown: dict[str, Any], summary: dict[str, Any]) -> None:
    """Links to the chart, the numbers and the readings behind them."""
    st.subheader("Take it with you")
    with st.container(horizontal=True):
        for label, name, text in (
            ("Chart as CSV", "chart.csv", _csv(chart_rows(shown))),
            ("Numbers as CSV", "numbers.csv", _csv(number_rows(summary))),
        ):
            st.download_button(
                label, text, f"telltale-{name}", "text/csv", icon=":material/download:", key=name, on_click="ignore"
            )
        st.link_button(
            "Readings as CSV",
            export_link("csv", selection.params()),
            icon=":material/download:",
            key="readings.csv",
            help="The stored readings behind this page. The Records page exports them as Excel and Parquet, too.",
        )
