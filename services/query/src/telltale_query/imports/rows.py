"""From physical lines to rows of cells, many at once, each with the line that it begins in. Pure."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from telltale_query.imports.times import Integers

CELL_MAX = 131_072
"""Characters of a cell at most: the csv module's own limit, which ends a quote that is never closed."""

_MESSAGES = {
    "field larger": f"has a cell of more than {CELL_MAX:,} characters: a quote is probably never closed",
    "unexpected end": "begins a quote that is never closed",
    "expected after": 'has text after a closing quote: write "" for a quote inside of quotes',
}


@dataclass(frozen=True)
class BrokenRow:
    """A row that is not CSV."""

    line: int
    reason: str


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, in order."""

    cells: list[list[str]]
    line: Integers
    """In which each begins, from 1."""
    broken: BrokenRow | None
    """What follows them, if it cannot be read."""


def read_rows(lines: Iterator[str], delimiter: str, *, at_once: int, first_line: int = 1) -> Iterator[Rows]:
    """The rows in ``lines``, at most ``at_once`` at a time; after one that cannot be read it goes on.

    Args:
        lines: with their ends.
        delimiter: between two cells.
        at_once: rows.
        first_line: the number of the first of ``lines``.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        began = reader.line_num
        cells: list[list[str]] = []
        failure: csv.Error | None = None
        try:
            # What was read before an error stays in the list.
            cells.extend(itertools.islice(reader, at_once))
        except csv.Error as error:
            failure = error
        if not cells and failure is None:
            return
        if failure is None and reader.line_num - began == len(cells):
            spans = np.ones(len(cells), np.int64)
        else:
            spans = np.fromiter(map(_span, cells), np.int64, len(cells))
        ends = first_line + began + np.cumsum(spans)
        broken = None
        if failure is not None:
            line = int(ends[-1]) if cells else first_line + began
            broken = BrokenRow(line, _message(failure))
        yield Rows(cells, ends - spans, broken)


def _span(cells: list[str]) -> int:
    """Physical lines that a row takes."""
    return 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in cells)


def _message(error: csv.Error) -> str:
    text = str(error)
    return next((message for part, message in _MESSAGES.items() if part in text), f"cannot be read: {text}")
