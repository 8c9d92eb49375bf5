"""How a file is to be read: delimiter, zone of its times, columns, conflicts and bad rows."""

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from telltale_ui import times

COLUMNS = {
    "source": "Source",
    "category": "Category",
    "observed_at": "Observed at",
    "value": "Value",
    "unit": "Unit",
    "note": "Note",
}
REQUIRED = ("source", "category", "observed_at", "value")
WITH_DEFAULT = ("source", "category", "unit")
DELIMITERS = {"auto": "Detected", ",": "Comma", ";": "Semicolon", "tab": "Tab"}
NO_ZONE = "named by every time in the file"
_FOUND = {",": "comma", ";": "semicolon", "\t": "tab", "tab": "tab"}
_CONFLICTS = {"keep": "Keep what is stored", "replace": "Replace it"}
_BAD_ROWS = {"reject": "Reject the file", "skip": "Skip them"}


def delimiter_picker(found: str | None) -> str:
    """What separates the columns; ``found`` is what the preview saw."""
    detected = f"Detected ({_FOUND.get(found, found)})" if found else "Detected"
    return st.selectbox(
        "Delimiter",
        list(DELIMITERS),
        key="import_delimiter",
        format_func=lambda one: detected if one == "auto" else DELIMITERS[one],
    )


def zone_picker() -> str | None:
    """The zone of times that name none; ``None`` where each has to name its own."""
    own = times.viewer_zone().key
    others = sorted(available_timezones() - {own, "UTC"})
    zone = st.selectbox(
        "Time zone",
        list(dict.fromkeys([NO_ZONE, own, "UTC", *others])),
        key="import_zone",
        help="Where times in the file are written without an offset or Z, they are read in this zone.",
    )
    return None if zone == NO_ZONE else zone


def rules() -> dict[str, str]:
    """What happens to instants that have a value already, and to rows that cannot be stored."""
    on_conflict = st.segmented_control(
        "Another value is stored for an instant",
        list(_CONFLICTS),
        default="keep",
        required=True,
        key="import_conflict",
        format_func=lambda one: _CONFLICTS[one],
    )
    on_error = st.segmented_control(
        "Rows that cannot be stored",
        list(_BAD_ROWS),
        default="reject",
        required=True,
        key="import_on_error",
        format_func=lambda one: _BAD_ROWS[one],
    )
    return {"on_conflict": on_conflict, "on_error": on_error}


def missing(mapping: Mapping[str, str | None], defaults: Mapping[str, str]) -> list[str]:
    """Required columns that the file lacks and that no value is given for."""
    return [COLUMNS[one] for one in REQUIRED if not mapping.get(one) and not defaults.get(one)]


def column_pickers(header: list[str], suggested: Mapping[str, str | None], once: str) -> dict[str, Any]:
    """Which column of the file is what; returns the query parameters ``mapping`` and the values for absent columns."""
    mapping: dict[str, str | None] = {}
    defaults: dict[str, str] = {}
    lacking = missing(suggested, {})
    with (
        st.expander("Columns", icon=":material/view_column:", expanded=bool(lacking)),
        st.grid(3, min_column_width=190),
    ):
        for column, title in COLUMNS.items():
            with st.container(gap="xsmall"):
                found = suggested.get(column)
                mapping[column] = st.selectbox(
                    title,
                    header,
                    index=header.index(found) if found in header else None,
                    key=f"import_column_{column}_{once}",
                    placeholder="not in the file",
                )
                if not mapping[column] and column in WITH_DEFAULT:
                    defaults[column] = st.text_input(
                        f"{title} of every row", key=f"import_default_{column}_{once}"
                    ).strip()
    still = missing(mapping, defaults)
    if still:
        st.warning(f"Say which column holds: {', '.join(still)}.", icon=":material/view_column:")
    chosen = {column: name for column, name in mapping.items() if name}
    return {"ready": not still, "mapping": json.dumps(chosen, ensure_ascii=False), **defaults}
