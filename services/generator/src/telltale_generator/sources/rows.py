"""Readings as people write them, in JSON or CSV, checked by the rules that all consumers share."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from telltale_generator.sources.source import Reading
from telltale_shared.validation import TimeBounds, check_series, check_time, check_value

REQUIRED = ("source", "category", "observed_at", "value")
OPTIONAL = ("unit", "note")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_FIELD_OF_REASON = {"bad_source": "source", "bad_category": "category", "bad_unit": "unit"}


class BadField(ValueError):
    """One field of one reading is not what it may be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class BadRow:
    """What is wrong in one row: where, which field, and how."""

    place: str
    """``line 7`` of a CSV file, or the index in a JSON list."""
    field: str
    message: str


class BadRows(ValueError):
    """Some rows cannot be taken, so none is."""

    def __init__(self, rows: list[BadRow]) -> None:
        first = rows[0]
        super().__init__(f"{first.place}, {first.field}: {first.message}")
        self.rows = rows


def instant(text: object) -> int:
    """A time as RFC 3339 writes it, with its offset, in µs since 1970-01-01 UTC; finer digits are cut off.

    Raises:
        BadField: not such a text, or no such day.
    """
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        raise BadField("observed_at", "must be a time with its offset, like 2026-11-23T20:15:00.5+01:00")
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise BadField("observed_at", f"is no time that exists: {error}") from error


def number(text: str) -> float:
    """A number with a decimal point.

    Raises:
        BadField: not a number.
    """
    if not _NUMBER.fullmatch(text):
        raise BadField("value", "must be a number with a decimal point")
    return float(text)


def reading(row: Mapping[str, object], bounds: TimeBounds | None) -> Reading:
    """The reading that ``row`` describes.

    Args:
        row: ``observed_at`` as text, ``value`` as a number, the others as text.
        bounds: the times that it may have; None for any.

    Raises:
        BadField: the first thing that is wrong with it.
    """
    for name in REQUIRED:
        if name not in row:
            raise BadField(name, "is missing")
    source, category, unit, value = row["source"], row["category"], row.get("unit"), row["value"]
    rejected = check_series(source, category, unit)
    if rejected is not None:
        raise BadField(_FIELD_OF_REASON[rejected.reason], rejected.detail)
    rejected = check_value(value)
    if rejected is not None:
        raise BadField("value", rejected.detail)
    observed_at = instant(row["observed_at"])
    rejected = check_time(observed_at, bounds) if bounds is not None else None
    if rejected is not None:
        raise BadField("observed_at", rejected.detail)
    # What check_series and check_value let through has these types.
    return Reading(str(source), str(category), None if unit is None else str(unit), observed_at, float(str(value)))


def csv_rows(lines: Iterable[str]) -> Iterator[tuple[str, Mapping[str, object] | BadField]]:
    """The rows of a CSV file with a header: (place, row) in order, or (place, what is wrong with it).

    Empty cells of optional columns are absent.

    Raises:
        BadRows: the header does not name the columns.
    """
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        while True:
            cells = next(reader, None)
            if cells is None:
                return
            if cells:
                yield f"line {reader.line_num}", _row(header, cells)
    except csv.Error as error:
        raise BadRows([BadRow(f"line {reader.line_num}", "csv", str(error))]) from error


def _check_header(header: list[str]) -> None:
    problems = [f"the column {name} is missing" for name in REQUIRED if name not in header]
    problems += [f"the column {name!r} is unknown" for name in header if name not in (*REQUIRED, *OPTIONAL)]
    problems += [f"the column {name} is there twice" for name in {*header} if header.count(name) > 1]
    if problems:
        raise BadRows([BadRow("line 1", "header", problem) for problem in problems])


def _row(header: list[str], cells: list[str]) -> Mapping[str, object] | BadField:
    if len(cells) != len(header):
        return BadField("row", f"has {len(cells)} cells, the header has {len(header)}")
    row: dict[str, object] = dict(zip(header, cells, strict=True))
    for name in OPTIONAL:
        if not row.get(name):
            row.pop(name, None)
    try:
        row["value"] = number(str(row["value"]))
    except BadField as error:
        return error
    return row
