"""The first line of a file: what separates the columns, and which is which. Pure."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from telltale_query.imports.text import FileRefused, printable

COLUMNS = ("source", "category", "observed_at", "value", "unit", "note")
REQUIRED = ("source", "category", "observed_at", "value")
DELIMITERS = (",", ";", "\t")

_SYNONYMS = {
    "source": {"device", "sensor", "host", "machine", "station", "entity", "entity_id", "node", "asset", "tag"},
    "category": {"metric", "measurement", "type", "kind", "quantity", "channel", "parameter", "field", "name"},
    "observed_at": {"time", "timestamp", "datetime", "date", "at", "observed", "measured_at", "ts", "last_changed"},
    "value": {"reading", "val", "state", "number", "result"},
    "unit": {"units", "uom", "unit_of_measurement"},
    "note": {"notes", "comment", "comments", "remark", "description"},
}

KNOWN_NAMES = (*COLUMNS, *(name for names in _SYNONYMS.values() for name in names))
"""Names by which a header is recognised as one."""


@dataclass(frozen=True)
class Layout:
    """Which cell of a row holds what."""

    header: tuple[str, ...]
    """As the file has it."""
    cell: Mapping[str, int]
    """Position of each of our columns that the file has."""
    constant: Mapping[str, str]
    """What holds for every row, of columns that the file does not have."""

    def name_of(self, column: str) -> str:
        """What the file calls ``column``."""
        return self.header[self.cell[column]].strip() if column in self.cell else column


def read_cells(line: str, delimiter: str) -> list[str]:
    """The cells of one physical line; none where it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def find_delimiter(line: str, known: Sequence[str] = COLUMNS) -> str:
    """What separates the columns of a header: the one with which most of ``known`` are recognised."""
    wanted = {name.strip().lower() for name in known}

    def fit(delimiter: str) -> tuple[int, int]:
        cells = read_cells(line, delimiter)
        return sum(cell.strip().lower() in wanted for cell in cells), len(cells)

    return max(DELIMITERS, key=fit)


def suggest_mapping(header: Sequence[str]) -> dict[str, str | None]:
    """For each of our columns the one of ``header`` that it probably is, or None."""
    names = {name.strip().lower().replace(" ", "_"): name for name in reversed(header)}
    found: dict[str, str | None] = {column: names.get(column) for column in COLUMNS}
    taken = {name for name in found.values() if name}
    for column, synonyms in _SYNONYMS.items():
        if found[column] is None:
            found[column] = next((name for key, name in names.items() if key in synonyms and name not in taken), None)
            taken |= {found[column]} - {None}  # type: ignore[arg-type]  # no None is left
    return found


def lay_out(header: Sequence[str], mapping: Mapping[str, str] | None, constant: Mapping[str, str]) -> Layout:
    """Decide which column is which.

    Args:
        header: the cells of the first line.
        mapping: the file's name of each of our columns; columns that it does not name are then left out. Without it the
            file must use our names, and no others.
        constant: values for columns that the file does not have.

    Raises:
        FileRefused: a column is missing, unknown or there twice.
    """
    names = [name.strip() for name in header]
    if mapping is None:
        by_name = {name.lower(): name for name in names}
        unknown = [name for name in names if name.lower() not in COLUMNS]
        if unknown:
            raise FileRefused(
                1,
                f"the column {printable(unknown[0])!r} is unknown: leave it out, or say which column it is "
                f"(known are {', '.join(COLUMNS)})",
                column=printable(unknown[0])[:100],
            )
        mapping = {column: by_name[column] for column in COLUMNS if column in by_name}
    cell: dict[str, int] = {}
    for column, wanted in mapping.items():
        places = [place for place, name in enumerate(names) if name.lower() == wanted.strip().lower()]
        if not places:
            raise FileRefused(1, f"there is no column {printable(wanted)!r}, which {column} is to be taken from")
        if len(places) > 1:
            raise FileRefused(
                1, f"the column {printable(wanted)!r} is there twice: which one counts?", column=printable(wanted)[:100]
            )
        cell[column] = places[0]
    for column in REQUIRED:
        if column not in cell and not constant.get(column):
            hint = f", or say which {column} all rows have" if column in ("source", "category") else ""
            raise FileRefused(1, f"the column {column} is missing: name it in the first line{hint}", column=column)
    return Layout(
        tuple(names), cell, {column: text for column, text in constant.items() if text and column not in cell}
    )
