"""The filter bar that Records and Analytics share; what is chosen lives in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import times

SPANS = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
}
CUSTOM = "Custom"


@dataclass(frozen=True)
class Selection:
    """Which readings a page shows: series and a half-open time range."""

    sources: list[str]
    categories: list[str]
    start: datetime
    end: datetime
    span: str

    def params(self) -> dict[str, Any]:
        """As the query parameters that records and analytics share."""
        return {
            "source": self.sources,
            "category": self.categories,
            "from": times.rfc3339(self.start),
            "to": times.rfc3339(self.end),
        }

    @property
    def signature(self) -> str:
        """The same for the same choice, however much time passes."""
        bounds = (self.start, self.end) if self.span == CUSTOM else ()
        return repr((self.sources, self.categories, self.span, bounds))


def series_filters(series: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Source and category; nothing chosen means all of them."""
    # What the address names stays chosen although no series has it (any more).
    sources = sorted({one["source"] for one in series} | set(st.query_params.get_all("source")))
    categories = sorted({one["category"] for one in series} | set(st.query_params.get_all("category")))
    return (
        st.multiselect("Source", sources, key="source", bind="query-params", placeholder="All sources"),
        st.multiselect("Category", categories, key="category", bind="query-params", placeholder="All categories"),
    )


def _custom_range(now: datetime) -> tuple[datetime, datetime]:
    zone = times.viewer_zone()
    local = now.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    with st.container(horizontal=True):
        start = st.datetime_input(
            f"From ({zone.key})", local - timedelta(hours=1), key="from", step=60, bind="query-params"
        )
        end = st.datetime_input(f"To ({zone.key})", local, key="to", step=60, bind="query-params")
    if start is None or end is None or start >= end:
        st.warning("The range ends before it starts. The last hour is shown.", icon=":material/schedule:")
        return now - timedelta(hours=1), now
    return start.replace(tzinfo=zone), end.replace(tzinfo=zone)


def filter_bar(series: Sequence[dict[str, Any]], *, default_span: str) -> Selection:
    """The bar: source, category and range presets, or a range of the reader's own."""
    now = datetime.now(UTC)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sources, categories = series_filters(series)
        span = st.segmented_control(
            "Range", [*SPANS, CUSTOM], default=default_span, required=True, key="span", bind="query-params", wrap=True
        )
    start, end = _custom_range(now) if span == CUSTOM else (now - SPANS[span], now)
    return Selection(sources, categories, start, end, span)
