"""Categories or sources side by side, and which of them lead."""

from typing import Any

import pandas as pd
import streamlit as st

from telltale_ui import login, tables
from telltale_ui.analytics.notes import Notes
from telltale_ui.api_client import Params

_COLUMNS = {
    "unit": "Unit",
    "count": "Readings",
    "count_before": "Readings before",
    "mean": "Mean",
    "mean_before": "Mean before",
    "min": "Lowest",
    "p50": "p50",
    "p95": "p95",
    "max": "Highest",
    "stddev": "Std. dev.",
    "anomalies": "Anomalies",
}
_COUNTS = ("Readings", "Readings before", "Anomalies")
_OF = {"categories": ("category", "Category"), "sources": ("source", "Source")}
RANKED = {"series": "Series", "source": "Sources", "category": "Categories"}
RANKINGS = {
    "mean": "highest mean",
    "max": "highest value",
    "min": "lowest value",
    "count": "most readings",
    "stddev": "most spread",
    "range": "widest range",
    "anomalies": "most anomalies",
}


def with_previous(item: dict[str, Any]) -> dict[str, Any]:
    """A row with what it was in the period before, where that is known."""
    before = item.get("previous") or {}
    return {**item, "count_before": before.get("count"), "mean_before": before.get("mean")}


def side_by_side(params: Params, notes: Notes, *, compare: bool) -> None:
    """A row per category or source."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Side by side", width="stretch")
        what = st.segmented_control(
            "Rows",
            list(_OF),
            default="categories",
            required=True,
            key="rows",
            bind="query-params",
            format_func=str.capitalize,
            label_visibility="collapsed",
        )
    field, title = _OF[what]
    asked = {**params, "compare": compare}
    answer = login.api().categories(asked) if what == "categories" else login.api().sources(asked)
    notes.show(answer)
    columns = {field: title} | {
        name: label for name, label in _COLUMNS.items() if compare or not name.endswith("_before")
    }
    numbers = [label for label in columns.values() if label not in (title, "Unit", *_COUNTS)]
    rows = tables.frame([with_previous(one) for one in answer["items"]], columns)
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            **{name: st.column_config.NumberColumn(format=tables.number_format(rows[name])) for name in numbers},
            **{name: st.column_config.NumberColumn(format="localized") for name in _COUNTS if name in columns.values()},
        },
        placeholder="",
        alt=f"Numbers per {title.lower()}",
    )


def _name(item: dict[str, Any], of: str) -> str:
    return f"{item['source']} · {item['category']}" if of == "series" else str(item[of])


def top_list(params: Params, notes: Notes) -> None:
    """The series, sources or categories that lead by something."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = st.selectbox(
            "Top", list(RANKED), key="top", bind="query-params", format_func=lambda one: RANKED[one], width=140
        )
        by = st.selectbox(
            "by", list(RANKINGS), key="by", bind="query-params", format_func=lambda one: RANKINGS[one], width=190
        )
    answer = login.api().top({**params, "of": of, "by": by, "n": 10})
    notes.show(answer)
    items = answer["items"]
    if not items:
        st.caption("Nothing to rank in this range.")
        return
    values = [one["value"] for one in items]
    rows = pd.DataFrame(
        {
            RANKED[of]: [_name(one, of) for one in items],
            RANKINGS[by].capitalize(): values,
            "Unit": [one.get("unit") for one in items],
        }
    )
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={RANKINGS[by].capitalize(): st.column_config.NumberColumn(format=tables.number_format(values))},
        placeholder="",
        alt=f"{RANKED[of]} with the {RANKINGS[by]}",
    )
