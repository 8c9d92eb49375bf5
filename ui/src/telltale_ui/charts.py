"""Plotly figures of stored readings. Pure: rows in, figure out; Streamlit's theme gives the colours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

Row = Mapping[str, Any]

PALETTE = ("#0072B2", "#00855F", "#AA4A8A", "#A87400", "#6C4BA6", "#5B6B72")
"""Told apart by colour-blind people, too; used where the theme names no colours."""
ANOMALY_COLOUR = "#D9620D"
ROW_HEIGHT = 190
_GAP_FACTOR = 3


def series_name(row: Row) -> str:
    """How a series is called everywhere."""
    return f"{row['source']} · {row['category']}"


def with_gaps(points: Sequence[Row]) -> list[Row]:
    """The points with an empty one wherever some are missing, so that no line is drawn across."""
    instants = [datetime.fromisoformat(point["at"]) for point in points]
    steps = sorted(later - earlier for earlier, later in pairwise(instants))
    if not steps:
        return list(points)
    limit = steps[len(steps) // 2] * _GAP_FACTOR
    result: list[Row] = []
    for place, point in enumerate(points):
        if place and instants[place] - instants[place - 1] > limit:
            middle = instants[place - 1] + timedelta(seconds=1)
            result.append({"at": middle.isoformat(), "mean": None, "min": None, "max": None})
        result.append(point)
    return result


def _add_series(figure: go.Figure, series: Row, place: int, colour: str) -> None:
    points = with_gaps(series["points"])
    times = [point["at"] for point in points]
    unit = series.get("unit") or ""
    edge = {"x": times, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(y=[p["max"] for p in points], **edge), row=place, col=1)
    low = go.Scatter(y=[p["min"] for p in points], fill="tonexty", fillcolor=_faded(colour), **edge)
    figure.add_trace(low, row=place, col=1)
    line = go.Scatter(
        x=times,
        y=[point["mean"] for point in points],
        mode="lines",
        connectgaps=False,
        line={"width": 1.6, "color": colour},
        name=series_name(series),
        customdata=[[p["min"], p["max"]] for p in points],
        hovertemplate=f"%{{y:.4g}} {unit} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})",
        showlegend=False,
    )
    figure.add_trace(line, row=place, col=1)


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _add_anomalies(figure: go.Figure, anomalies: Sequence[Row], place: int, unit: str) -> None:
    if not anomalies:
        return
    figure.add_trace(
        go.Scatter(
            x=[one["observed_at"] for one in anomalies],
            y=[one["value"] for one in anomalies],
            mode="markers",
            marker={"symbol": "diamond", "size": 10, "color": ANOMALY_COLOUR, "line": {"width": 1.5, "color": "white"}},
            name="Anomaly",
            customdata=[[one["score"], one["expected_low"], one["expected_high"]] for one in anomalies],
            hovertemplate=(
                f"Anomaly: %{{y:.4g}} {unit}, expected %{{customdata[1]:.4g}} to %{{customdata[2]:.4g}}, "
                "score %{customdata[0]:.1f}<extra></extra>"
            ),
            showlegend=False,
        ),
        row=place,
        col=1,
    )


def timeseries_figure(
    series: Sequence[Row], anomalies: Sequence[Row], palette: Sequence[str], *, start: datetime, end: datetime
) -> go.Figure:
    """One row a series over a shared time axis: mean, the span from lowest to highest, anomalies as diamonds."""
    titles = [f"{series_name(one)}  <span style='opacity:0.65'>{one.get('unit') or ''}</span>" for one in series]
    spacing = min(0.09, 0.35 / max(1, len(series)))
    figure = make_subplots(rows=len(series), cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=spacing)
    categories = sorted({one["category"] for one in series})
    for place, one in enumerate(series, start=1):
        _add_series(figure, one, place, palette[categories.index(one["category"]) % len(palette)])
        own = [a for a in anomalies if (a["source"], a["category"]) == (one["source"], one["category"])]
        _add_anomalies(figure, own, place, one.get("unit") or "")
    figure.update_xaxes(range=[start.isoformat(), end.isoformat()])
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    figure.update_layout(
        height=70 + ROW_HEIGHT * len(series), margin={"l": 8, "r": 8, "t": 32, "b": 8}, hovermode="x unified"
    )
    return figure
