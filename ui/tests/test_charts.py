from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from streamlit.testing.v1 import AppTest

from telltale_ui import charts

START = datetime(2026, 11, 23, tzinfo=UTC)


def _points(seconds: list[int]) -> list[dict[str, Any]]:
    return [
        {"at": (START + timedelta(seconds=at)).isoformat(), "mean": at, "min": at - 1, "max": at + 1} for at in seconds
    ]


def test_points_are_cut_where_some_are_missing() -> None:
    cut = charts.stretches(_points([0, 10, 20, 30, 90, 100]))
    assert [[point["mean"] for point in one] for one in cut] == [[0, 10, 20, 30], [90, 100]]


def test_one_point_or_none_is_drawn_as_it_is() -> None:
    assert charts.stretches([]) == []
    assert len(charts.stretches(_points([5]))) == 1


def test_neither_line_nor_band_crosses_a_gap_and_times_are_the_viewers() -> None:
    series = {"source": "a", "category": "x", "unit": "°C", "points": _points([0, 10, 20, 30, 90, 100])}
    zone = ZoneInfo("Europe/Berlin")
    figure = charts.timeseries_figure([series], [], ["#000000"], start=START, end=START, zone=zone)
    band, line = figure.data
    assert list(line.y) == [0, 10, 20, 30, None, 90, 100, None]
    assert line.x[0] == "2026-11-23T01:00:00"
    assert list(band.y) == [1, 11, 21, 31, 29, 19, 9, -1, None, 91, 101, 99, 89, None]


def test_each_series_has_its_row_and_its_own_anomalies() -> None:
    series: list[dict[str, Any]] = [
        {"source": "a", "category": "x", "unit": "°C", "points": _points([0, 10, 20])},
        {"source": "b", "category": "y", "unit": None, "points": _points([0, 10, 20])},
    ]
    anomaly = {
        "source": "b",
        "category": "y",
        "observed_at": START.isoformat(),
        "value": 5.0,
        "score": 7.0,
        "expected_low": 1.0,
        "expected_high": 2.0,
    }
    figure = charts.timeseries_figure(series, [anomaly], ["#000000", "#111111"], start=START, end=START, zone=UTC)
    markers = [trace for trace in figure.data if trace.mode == "markers"]
    assert [one.marker.symbol for one in markers] == ["diamond"]
    assert markers[0].yaxis == "y2"
    assert [one.text.split("  ")[0] for one in figure.layout.annotations] == ["a · x", "b · y"]


def _without_a_line() -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from telltale_ui.analytics.series_chart import ChartOptions, draw

    at = datetime(2026, 11, 23, tzinfo=UTC)
    options = ChartOptions("auto", ZoneInfo("UTC"), by_category=False, compare=False)
    draw({"series": [], "bucket": "1h", "previous_shift_seconds": None}, [], (at, at), options, ["#000000"])


def test_a_chart_without_a_line_says_so() -> None:
    shown = AppTest.from_function(_without_a_line).run()
    assert not shown.exception
    assert [one.value.partition(":")[0] for one in shown.caption] == ["There is no line to draw"]
