"""Plotly figures of stored readings. Pure: rows in, figure out; Streamlit's theme gives the colours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
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


def stretches(points: Sequence[Row]) -> list[list[Row]]:
    """The points cut wherever some are missing: no line is drawn from one stretch to the next."""
    instants = [datetime.fromisoformat(point["at"]) for point in points]
    steps = sorted(later - earlier for earlier, later in pairwise(instants))
    limit = steps[len(steps) // 2] * _GAP_FACTOR if steps else None
    result: list[list[Row]] = []
    for place, point in enumerate(points):
        if not result or (limit is not None and instants[place] - instants[place - 1] > limit):
            result.append([])
        result[-1].append(point)
    return result


def _local(instant: str, zone: tzinfo) -> str:
    """Plotly knows no zones: it is given wall-clock time."""
    return datetime.fromisoformat(instant).astimezone(zone).replace(tzinfo=None).isoformat()


def _add_series(figure: go.Figure, series: Row, place: int, colour: str, zone: tzinfo) -> None:
    unit = series.get("unit") or ""
    line: dict[str, list[Any]] = {"x": [], "y": [], "customdata": []}
    band: dict[str, list[Any]] = {"x": [], "y": []}
    for stretch in stretches(series["points"]):
        times = [_local(point["at"], zone) for point in stretch]
        # Each stretch is followed by an empty point, which ends the line and closes the band's outline.
        line["x"] += [*times, None]
        line["y"] += [*(point["mean"] for point in stretch), None]
        line["customdata"] += [*([point["min"], point["max"]] for point in stretch), [None, None]]
        band["x"] += [*times, *reversed(times), None]
        band["y"] += [*(point["max"] for point in stretch), *(point["min"] for point in reversed(stretch)), None]
    outline = go.Scatter(**band, mode="lines", fill="toself", fillcolor=_faded(colour), line={"width": 0})
    figure.add_trace(outline.update(hoverinfo="skip", showlegend=False), row=place, col=1)
    mean = go.Scatter(**line, mode="lines", connectgaps=False, line={"width": 1.6, "color": colour})
    hover = f"%{{y:.4g}} {unit} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})"
    figure.add_trace(mean.update(name=series_name(series), hovertemplate=hover, showlegend=False), row=place, col=1)


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _add_anomalies(figure: go.Figure, anomalies: Sequence[Row], place: int, unit: str, zone: tzinfo) -> None:
    if not anomalies:
        return
    figure.add_trace(
        go.Scatter(
            x=[_local(one["observed_at"], zone) for one in anomalies],
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
    series: Sequence[Row],
    anomalies: Sequence[Row],
    palette: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    zone: tzinfo,
) -> go.Figure:
    """One row a series over a shared time axis: mean, the span from lowest to highest, anomalies as diamonds.

    Times are those of ``zone``.
    """
    titles = [f"{series_name(one)}  <span style='opacity:0.65'>{one.get('unit') or ''}</span>" for one in series]
    spacing = min(0.09, 0.35 / max(1, len(series)))
    figure = make_subplots(rows=len(series), cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=spacing)
    categories = sorted({one["category"] for one in series})
    for place, one in enumerate(series, start=1):
        _add_series(figure, one, place, palette[categories.index(one["category"]) % len(palette)], zone)
        own = [a for a in anomalies if (a["source"], a["category"]) == (one["source"], one["category"])]
        _add_anomalies(figure, own, place, one.get("unit") or "", zone)
    figure.update_xaxes(range=[_local(start.isoformat(), zone), _local(end.isoformat(), zone)])
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    figure.update_layout(
        height=70 + ROW_HEIGHT * len(series), margin={"l": 8, "r": 8, "t": 32, "b": 8}, hovermode="x unified"
    )
    return figure
