"""The filter bar that Records and Analytics share; what is chosen lives in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from telltale_ui import kept_filters, times
from telltale_ui.ranges import CUSTOM, TimeRange, range_picker

_MORE = ("min_value", "max_value", "anomalous", "import")
_UNUSED = (None, False, "")


@dataclass(frozen=True)
class Selection:
    """Which readings a page shows."""

    sources: list[str]
    categories: list[str]
    range: TimeRange
    min_value: float | None = None
    max_value: float | None = None
    anomalous: bool = False
    import_id: int | None = None

    def params(self) -> dict[str, Any]:
        """As the query parameters that records, export and analytics share."""
        return {
            "source": self.sources,
            "category": self.categories,
            **self.range.params(),
            "min_value": self.min_value,
            "max_value": self.max_value,
            "anomalous": True if self.anomalous else None,
            "import_id": self.import_id,
        }

    def body(self) -> dict[str, Any]:
        """The same as JSON, without what is not chosen."""
        return {name: value for name, value in self.params().items() if value not in (None, [])}

    @property
    def signature(self) -> str:
        """The same for the same choice, however much time passes."""
        bounds = (self.range.start, self.range.end) if self.range.span == CUSTOM else ()
        return repr({**self.params(), "from": self.range.span, "to": bounds})

    def described(self) -> list[str]:
        """The choice in words, a line each, for a person who is about to act on it."""
        lines = [
            f"Sources: {', '.join(self.sources) or 'all'}",
            f"Categories: {', '.join(self.categories) or 'all'}",
        ]
        start, end = self.range.start, self.range.end
        zone = times.viewer_zone().key
        lines.append(f"Time: {times.clock(start)} to {times.clock(end)} ({zone})" if start and end else "Time: all")
        if self.min_value is not None or self.max_value is not None:
            low, high = ("any" if bound is None else f"{bound:g}" for bound in (self.min_value, self.max_value))
            lines.append(f"Values: {low} to {high}")
        if self.anomalous:
            lines.append("Only anomalies")
        if self.import_id:
            lines.append(f"Only import {self.import_id}")
        return lines


def series_filters(series: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Source and category; nothing chosen means all of them."""
    # What the address names stays chosen although no series has it (any more).
    sources = sorted({one["source"] for one in series} | set(st.query_params.get_all("source")))
    categories = sorted({one["category"] for one in series} | set(st.query_params.get_all("category")))
    return (
        st.multiselect("Source", sources, key="source", bind="query-params", placeholder="All sources"),
        st.multiselect("Category", categories, key="category", bind="query-params", placeholder="All categories"),
    )


def import_label(one: Mapping[str, Any]) -> str:
    """How an import is called in the filter and in the address."""
    return f"{one['id']} · {one['file_name']}"


def _id_of(label: str) -> int | None:
    first = label.partition(" ")[0]
    return int(first) if first.isdecimal() and int(first) else None


def _more_filters(imports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Value, anomalies, import: what is needed less often."""
    used = sum(st.session_state.get(name, st.query_params.get(name)) not in _UNUSED for name in _MORE)
    label = f"More filters ({used})" if used else "More filters"
    with st.popover(label, icon=":material/filter_list:", key="more_filters"):
        low = st.number_input(
            "Lowest value", value=None, key="min_value", bind="query-params", placeholder="any", format="%g"
        )
        high = st.number_input(
            "Highest value", value=None, key="max_value", bind="query-params", placeholder="any", format="%g"
        )
        anomalous = st.toggle("Anomalies only", key="anomalous", bind="query-params")
        labels = [import_label(one) for one in imports]
        asked = st.query_params.get("import", "")
        import_ = st.selectbox(
            "Import",
            # What the address names stays chosen although it is not among the newest.
            [*labels, *([asked] if asked not in labels and _id_of(asked) else [])],
            index=None,
            key="import",
            bind="query-params",
            placeholder="any",
        )
        st.button("Clear these filters", icon=":material/filter_list_off:", key="clear_more", on_click=_clear_more)
    return {
        "min_value": low,
        "max_value": high,
        "anomalous": anomalous,
        "import_id": _id_of(import_ or ""),
    }


def _clear_more() -> None:
    st.session_state.update({"min_value": None, "max_value": None, "anomalous": False, "import": None})


def filter_bar(page: str, series: Sequence[dict[str, Any]], imports: Sequence[dict[str, Any]]) -> Selection:
    """The bar of ``page``: source, category, the range of time, and what is needed less often."""
    kept_filters.restore(page)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sources, categories = series_filters(series)
        more = _more_filters(imports)
    selection = Selection(sources, categories, range_picker(), **more)
    kept_filters.hold(page)
    return selection
