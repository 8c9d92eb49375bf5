"""A range in numbers: five at first glance with their change, the others below."""

from typing import Any

import streamlit as st

from telltale_ui import tables, times
from telltale_ui.markdown import literal
from telltale_ui.paging import counted

_WHOLE = ("count", "anomalies")
_WIDTHS = {60: "minutes", 3_600: "hours", 86_400: "days"}
_MORE = {"min": "Lowest", "max": "Highest", "stddev": "Standard deviation", "p90": "p90", "p99": "p99"}


def figure_text(field: str, value: float | None) -> str:
    """One figure as text: counts whole, others with as many digits as they deserve."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if field in _WHOLE else tables.number_text(value)


def change_of(field: str, summary: dict[str, Any]) -> tuple[str | None, str | None]:
    """The change against the period before, and what it was; ``None`` where there is nothing to compare with."""
    value, before = summary.get(field), (summary.get("previous") or {}).get(field)
    if value is None or before is None:
        return None, None
    sign = "-" if value < before else "+"
    change = "0" if value == before else f"{sign}{figure_text(field, abs(value - before))}"
    return change, f"was {figure_text(field, before)}"


def _metric(label: str, field: str, summary: dict[str, Any], unit: str | None = None) -> None:
    change, was = change_of(field, summary)
    shown = figure_text(field, summary.get(field)) + (f" {unit}" if unit and summary.get(field) is not None else "")
    st.metric(label, literal(shown), change, delta_color="off", border=True, height="stretch", delta_description=was)


def single_unit(summary: dict[str, Any]) -> bool:
    """Whether all readings have one unit: values of several have no common mean."""
    return len(summary["by_unit"]) <= 1


def five_numbers(summary: dict[str, Any], series_total: int, category_total: int) -> None:
    """What a range is about, at first glance."""
    units = summary["by_unit"]
    with st.grid(5, min_column_width=150):
        _metric("Readings", "count", summary)
        if single_unit(summary):
            unit = units[0]["unit"] if units else None
            for label, field in (("Mean", "mean"), ("p50", "p50"), ("p95", "p95")):
                _metric(label, field, summary, unit)
        else:
            for label, count in (("Series", series_total), ("Categories", category_total), ("Units", len(units))):
                st.metric(label, f"{count:,}", border=True, height="stretch")
        _metric("Anomalies", "anomalies", summary)
    if not single_unit(summary):
        st.caption("Values of several units have no common mean: choose one category for it, or see the table below.")


def percentile_note(summary: dict[str, Any]) -> str | None:
    """How exact the percentiles are."""
    error = summary.get("percentiles_relative_error")
    if error is None:
        return "Percentiles are not available for these filters." if summary["count"] else None
    return None if error == 0 else f"Percentiles are within {error:.0%} of the exact value."


def _moment(label: str, moment: dict[str, Any] | None) -> str:
    if not moment:
        return f"{label}: –"
    at = times.clock(times.parse(moment["observed_at"]))
    return f"{label}: {at}, {moment['source']} · {moment['category']} {tables.number_text(moment['value'])}"


def _gaps(gaps: dict[str, Any] | None) -> str:
    if not gaps:
        return "Gaps: unknown for this range"
    if not gaps["missing"]:
        return "Gaps: none"
    width = _WIDTHS.get(gaps["resolution_seconds"], f"{gaps['resolution_seconds']} s")
    series = f"{gaps['series_with_gaps']:,} series" if gaps["series_with_gaps"] > 1 else "one series"
    return f"Gaps: {counted(gaps['missing'], width)} without a reading, in {series}"


def more_numbers(summary: dict[str, Any]) -> None:
    """The rest: extremes, spread, further percentiles, gaps, first and last reading."""
    with st.expander("More numbers", icon=":material/list_alt:", key="more_numbers"):
        if single_unit(summary):
            unit = summary["by_unit"][0]["unit"] if summary["by_unit"] else None
            with st.grid(5, min_column_width=130):
                for field, label in _MORE.items():
                    _metric(label, field, summary, unit)
        else:
            columns = {"unit": "Unit", "count": "Readings", "mean": "Mean", "min": "Lowest", "max": "Highest"}
            st.dataframe(tables.frame(summary["by_unit"], columns), hide_index=True, placeholder="", alt="By unit")
        lines = [_gaps(summary.get("gaps")), _moment("First", summary["first"]), _moment("Last", summary["last"])]
        lines.append(percentile_note(summary) or "Percentiles are exact.")
        st.caption("  \n".join(literal(line) for line in lines))
