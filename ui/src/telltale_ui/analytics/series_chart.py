"""The chart of the series over time: what to draw of it, anomalies, the period before, and dragging to zoom."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from telltale_ui import charts, login, ranges, times
from telltale_ui.filters import Selection

PER_PAGE = 6
"""Series drawn at once: as many rows as fit on two screens, and few enough to ask for by source and category."""
BUCKETS = ("auto", "second", "minute", "hour", "day", "week", "month")
_ANOMALY_PAGES = 20
_ASKED_AT_ONCE = 100
_KEY = "timeseries"
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "d", "w": "weeks", "mo": "months", "y": "years"}


@dataclass(frozen=True)
class ChartOptions:
    """How the series are drawn."""

    bucket: str
    zone: ZoneInfo
    by_category: bool
    compare: bool

    def params(self) -> dict[str, Any]:
        """As the query parameters of the time series."""
        return {
            "bucket": self.bucket,
            "time_zone": self.zone.key,
            "group_by": "category" if self.by_category else "series",
            "compare": self.compare,
        }


def chart_options(*, may_compare: bool) -> ChartOptions:
    """The controls above the chart."""
    own = times.viewer_zone().key
    zones = list(dict.fromkeys([own, "UTC", *sorted(available_timezones())]))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.segmented_control(
            "One line per",
            ["series", "category"],
            default="series",
            required=True,
            key="lines",
            bind="query-params",
        )
        bucket = st.selectbox(
            "Bucket", BUCKETS, key="bucket", bind="query-params", width=130, help="What one point of the line sums up."
        )
        zone = st.selectbox(
            "Time zone",
            zones,
            key="zone",
            bind="query-params",
            width=210,
            help="Days, weeks and months begin at midnight there.",
        )
        compare = st.toggle(
            "Compare with the period before",
            key="compare",
            bind="query-params",
            disabled=not may_compare,
            help="Draws the range of the same length before it as a dotted line.",
        )
    return ChartOptions(bucket, ZoneInfo(zone), by == "category", compare and may_compare)


def present_series(catalogue: Sequence[dict[str, Any]], selection: Selection) -> tuple[list[dict[str, Any]], int]:
    """The series that have readings in the selection, by name, and how many they are.

    Where they are too many to ask for at once, the list holds all that the filters allow, also those without readings.
    """
    answer = login.api().top({**selection.params(), "of": "series", "by": "count", "n": _ASKED_AT_ONCE})
    if answer["total"] <= len(answer["items"]):
        found = sorted(answer["items"], key=lambda one: (one["source"], one["category"]))
        return found, answer["total"]
    return [
        one
        for one in catalogue
        if (not selection.sources or one["source"] in selection.sources)
        and (not selection.categories or one["category"] in selection.categories)
    ], answer["total"]


def page_of_series(series: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The series drawn on one page, counted from 1."""
    return list(series[(number - 1) * PER_PAGE : number * PER_PAGE])


def _own(rows: Sequence[dict[str, Any]], drawn: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sources and categories are asked for apart from each other: keep the pairs that were meant."""
    pairs = {(one["source"], one["category"]) for one in drawn}
    return [one for one in rows if (one["source"], one["category"]) in pairs]


def _anomalies(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Every anomaly that nobody dismissed; says so in the unlikely case that they are too many to draw."""
    asked = {name: params[name] for name in ("source", "category", "from", "to")} | {"verdict": ["none", "confirmed"]}
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(_ANOMALY_PAGES):
        page = login.api().anomalies({**asked, "limit": 1000, "cursor": cursor})
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
    st.caption(f"The newest {len(found):,} anomalies are drawn: choose a shorter range for the others.")
    return found


def zoomed_range(event: Any, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The range that was dragged over, from the chart's selection; ``None`` where there is none."""
    boxes = event["selection"]["box"] if event else []
    if not boxes or len(boxes[0]["x"]) < 2:
        return None
    first, last = sorted(datetime.fromisoformat(str(at)).replace(tzinfo=zone) for at in boxes[0]["x"][:2])
    return first, last


def _zoom(zone: ZoneInfo) -> None:
    dragged = zoomed_range(st.session_state[_KEY], zone)
    if dragged is not None and dragged[1] > dragged[0]:
        ranges.choose(*dragged)


def fetch_series(
    selection: Selection, present: Sequence[dict[str, Any]], number: int, options: ChartOptions
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The time series on page ``number`` of the chart, and their anomalies."""
    params = selection.params()
    if options.by_category:
        return login.api().timeseries({**params, **options.params()}), _anomalies(params)
    drawn = page_of_series(present, number)
    params |= {
        "source": sorted({one["source"] for one in drawn}),
        "category": sorted({one["category"] for one in drawn}),
    }
    answer = login.api().timeseries({**params, **options.params()})
    answer["series"] = _own(answer["series"], drawn)
    return answer, _own(_anomalies(params), drawn)


def series_pages(present: Sequence[dict[str, Any]]) -> int:
    """The way through a long list of series: the number of the page, counted from 1."""
    pages = math.ceil(len(present) / PER_PAGE)
    if pages <= 1:
        return 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(present):,} series, {PER_PAGE} at a time. Choose a source or category for fewer.")
        return st.pagination(pages, key="series_page", bind="query-params", width=320)


def draw(
    answer: dict[str, Any],
    anomalies: list[dict[str, Any]],
    bounds: tuple[datetime, datetime],
    options: ChartOptions,
    palette: Sequence[str],
) -> None:
    """The chart; dragging over it sets the range."""
    if not answer["series"]:
        st.caption("There is no line to draw: no series on this page of the chart has readings in this range.")
        return
    figure = charts.timeseries_figure(
        answer["series"],
        anomalies,
        palette,
        start=bounds[0],
        end=bounds[1],
        zone=options.zone,
        shift=timedelta(seconds=answer["previous_shift_seconds"] or 0),
    )
    if "Mobi" in st.context.headers.get("User-Agent", ""):
        figure.update_layout(dragmode=False)  # a finger on the chart scrolls the page
    st.plotly_chart(
        figure,
        key=_KEY,
        on_select=lambda: _zoom(options.zone),
        selection_mode="box",
        config={"displayModeBar": False, "doubleClick": False},
        alt="Readings over time with their anomalies. Drag over it to zoom in.",
    )
    dotted = " Dotted: the period before." if options.compare else ""
    st.caption(
        f"Line: mean per {bucket_text(answer['bucket'])}. Band: lowest to highest. Diamond: anomaly.{dotted} "
        f"Drag to zoom. Times in {options.zone.key}."
    )


def bucket_text(label: str) -> str:
    """The width of a bucket, as ``6h``, in words."""
    number = label.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(label[len(number) :], label[len(number) :])
    return f"{number} {unit.removesuffix('s') if number == '1' and len(unit) > 1 else unit}"
