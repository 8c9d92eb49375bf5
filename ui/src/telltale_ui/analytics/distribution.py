"""How often which values were measured."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from telltale_ui import login
from telltale_ui.analytics.notes import Notes
from telltale_ui.api_client import Params

_HEIGHT = 300


def units_of(bins: list[dict[str, Any]]) -> list[str | None]:
    """The units in the answer, most readings first."""
    totals: dict[str | None, int] = {}
    for one in bins:
        totals[one["unit"]] = totals.get(one["unit"], 0) + one["count"]
    return sorted(totals, key=lambda unit: -totals[unit])


def distribution_figure(bins: list[dict[str, Any]], unit: str | None, colour: str) -> go.Figure:
    """One bar a bin, as wide as the bin."""
    own = [one for one in bins if one["unit"] == unit]
    bars = go.Bar(
        x=[(one["low"] + one["high"]) / 2 for one in own],
        y=[one["count"] for one in own],
        width=[one["high"] - one["low"] for one in own],
        customdata=[[one["low"], one["high"]] for one in own],
        hovertemplate=f"%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}} {unit or ''}: %{{y:,}} readings"
        "<extra></extra>",
        marker={"color": colour, "line": {"width": 0}},
    )
    figure = go.Figure(bars)
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        bargap=0,
        xaxis_title=unit or "value",
        yaxis_title="readings",
        showlegend=False,
    )
    return figure


def distribution(params: Params, palette: Sequence[str], notes: Notes) -> None:
    """The bins of one unit; the others to choose from."""
    answer = login.api().distribution({**params, "bins": 40})
    bins = answer["items"]
    units = units_of(bins)
    notes.show(answer)
    if not units:
        st.caption("No distribution for this range.")
        return
    unit = units[0]
    if len(units) > 1:
        unit = st.selectbox(
            "Unit", units, key="unit", bind="query-params", format_func=lambda one: one or "no unit", width=140
        )
    st.plotly_chart(
        distribution_figure(bins, unit, palette[0]),
        key="distribution",
        config={"displayModeBar": False},
        alt=f"How often which values were measured, in {unit or 'no unit'}",
    )
