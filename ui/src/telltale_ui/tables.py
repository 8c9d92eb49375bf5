"""Rows of the services as tables: one way to show instants, numbers and names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from telltale_ui import times

Rows = Sequence[Mapping[str, Any]]


def frame(rows: Rows, columns: Mapping[str, str], *, instants: Sequence[str] = ()) -> pd.DataFrame:
    """The named fields of ``rows`` under their headings; ``instants`` are RFC 3339 or already parsed."""
    table = pd.DataFrame([{field: row.get(field) for field in columns} for row in rows], columns=list(columns))
    for field in instants:
        table[field] = pd.to_datetime(table[field], utc=True, format="ISO8601")
    return table.rename(columns=dict(columns))


def height(rows: int) -> int | Literal["content"]:
    """As tall as its rows, up to the height at which the table scrolls."""
    return 560 if rows > 15 else "content"


def instant_column(*, precise: bool = False) -> Any:
    """An instant in the viewer's zone; ``precise`` to the millisecond."""
    zone = times.viewer_zone().key
    layout = "YYYY-MM-DD HH:mm:ss.SSS" if precise else "YYYY-MM-DD HH:mm:ss"
    return st.column_config.DatetimeColumn(format=layout, timezone=zone, help=f"Time in {zone}")


def number_format(values: Iterable[float | None]) -> str:
    """How a column of numbers is written: large ones in groups of three digits, small ones to six digits."""
    return "localized" if max((abs(value) for value in values if value is not None), default=0) >= 10_000 else "%.6g"


def bytes_text(size: float | None) -> str:
    """A size in the unit that suits it."""
    if size is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def milliseconds_text(value: float | None) -> str:
    """A short duration."""
    return "–" if value is None else f"{value:.1f} ms"


def number_text(value: float | None, unit: str | None = None) -> str:
    """A number with as many digits as its size deserves, and its unit."""
    if value is None:
        return "–"
    magnitude = abs(value)
    if magnitude >= 1e9 or 0 < magnitude < 5e-4:
        return f"{value:.2e}" + (f" {unit}" if unit else "")
    digits = 0 if magnitude >= 1000 else 1 if magnitude >= 100 else 2 if magnitude >= 1 else 3
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")
