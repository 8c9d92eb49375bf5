"""Plotly figures of stored readings. Pure: rows in, figure out; Streamlit's theme gives the colours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

Row = Mapping[str, Any]

PALETTE = ("#0072B2", "#00855F", "#AA4A8A", "#A87400", "#6C4BA6", "#5B6B72")
"""Told apart by colour-blind people, too; used where the theme names no colours."""
ANOMALY_COLOUR = "#D9620D"
ROW_HEIGHT = 190
_GAP_FACTOR = 1.5
"""A pause is a gap when it is so much longer than what nine of ten pauses keep within."""


def series_name(row: Row) -> str:
    """How a series is called everywhere."""
    return " · ".join(row[part] for part in ("source", "category") if row.get(part))


def stretches(points: Sequence[Row]) -> list[list[Row]]:
    """The points cut wherever some are missing: no line is drawn from one stretch to the next."""
    instants = [datetime.fromisoformat(point["at"]) for point in points]
    steps = sorted(later - earlier for earlier, later in pairwise(instants))
    limit = steps[int((len(steps) - 1) * 0.9)] * _GAP_FACTOR if steps else None
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
    alone: dict[str, list[Any]] = {"x": [], "y": []}
    for stretch in stretches(series["points"]):
        times = [_local(point["at"], zone) for point in stretch]
        # Each stretch is followed by an empty point, which ends the line and closes the band's outline.
        line["x"] += [*times, None]
        line["y"] += [*(point["mean"] for point in stretch), None]
        line["customdata"] += [*([point["min"], point["max"]] for point in stretch), [None, None]]
        band["x"] += [*times, *reversed(times), None]
        band["y"] += [*(point["max"] for point in stretch), *(point["min"] for point in reversed(stretch)), None]
        if len(stretch) == 1:  # a line needs two points
            alone["x"] += times
            alone["y"].append(stretch[0]["mean"])
    outline = go.Scatter(**band, mode="lines", fill="toself", fillcolor=_faded(colour), line={"width": 0})
    figure.add_trace(outline.update(hoverinfo="skip", showlegend=False), row=place, col=1)
    mean = go.Scatter(**line, mode="lines", connectgaps=False, line={"width": 1.6, "color": colour})
    hover = f"%{{y:.4g}} {unit} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})"
    figure.add_trace(mean.update(name=series_name(series), hovertemplate=hover, showlegend=False), row=place, col=1)
    if alone["x"]:
        dots = go.Scatter(**alone, mode="markers", marker={"size": 4, "color": colour})
        figure.add_trace(dots.update(hoverinfo="skip", showlegend=False), row=place, col=1)


def _moved(points: Sequence[Row], by: timedelta) -> list[Row]:
    return [{**point, "at": (datetime.fromisoformat(point["at"]) + by).isoformat()} for point in points]


def _add_previous(figure: go.Figure, series: Row, place: int, colour: str, zone: tzinfo, shift: timedelta) -> None:
    """The period before, moved to this one, as a dotted line."""
    line: dict[str, list[Any]] = {"x": [], "y": []}
    for stretch in stretches(_moved(series.get("previous") or [], shift)):
        line["x"] += [*(_local(point["at"], zone) for point in stretch), None]
        line["y"] += [*(point["mean"] for point in stretch), None]
    if line["x"]:
        dotted = go.Scatter(**line, mode="lines", connectgaps=False, opacity=0.75)
        dotted.update(line={"width": 1.4, "color": colour, "dash": "dot"}, name="Period before", showlegend=False)
        dotted.update(hovertemplate=f"%{{y:.4g}} {series.get('unit') or ''}")
        figure.add_trace(dotted, row=place, col=1)


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
            customdata=[[one["score"], one["expected_low"], one["expected_high"], one["source"]] for one in anomalies],
            hovertemplate=(
                f"Anomaly of %{{customdata[3]}}: %{{y:.4g}} {unit}, "
                "expected %{customdata[1]:.4g} to %{customdata[2]:.4g}, score %{customdata[0]:.1f}<extra></extra>"
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
    shift: timedelta = timedelta(0),
) -> go.Figure:
    """One row a series over a shared time axis: mean, the span from lowest to highest, anomalies as diamonds.

    Args:
        series: each with its points, and in ``previous`` those of the period before, if any.
        anomalies: of any series; each is drawn in the row of its own.
        palette: a colour for each category in turn.
        start: of the time axis.
        end: of the time axis.
        zone: whose wall-clock times the axis shows.
        shift: what moves the points of the period before onto this one.
    """
    titles = [f"{series_name(one)}  <span style='opacity:0.65'>{one.get('unit') or ''}</span>" for one in series]
    spacing = min(0.09, 0.35 / max(1, len(series)))
    figure = make_subplots(rows=len(series), cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=spacing)
    categories = sorted({one["category"] for one in series})
    for place, one in enumerate(series, start=1):
        colour = palette[categories.index(one["category"]) % len(palette)]
        _add_previous(figure, one, place, colour, zone, shift)
        _add_series(figure, one, place, colour, zone)
        own = [a for a in anomalies if a["category"] == one["category"] and one.get("source") in (None, a["source"])]
        _add_anomalies(figure, own, place, one.get("unit") or "", zone)
    figure.update_xaxes(range=[_local(start.isoformat(), zone), _local(end.isoformat(), zone)])
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    figure.update_layout(
        height=70 + ROW_HEIGHT * len(series),
        margin={"l": 8, "r": 8, "t": 32, "b": 8},
        hovermode="x unified",
        # Dragging chooses a range, which the page takes as its own.
        dragmode="select",
        selectdirection="h",
        newselection={"line": {"color": PALETTE[0], "width": 1, "dash": "solid"}},
    )
    return figure
