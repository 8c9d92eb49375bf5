"""Rows of cells checked by the rules that hold for every reading, and turned into columns. Pure.

A whole batch is checked at once, column by column; only for rows that turn out to be bad it is asked what is wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from telltale_query.imports.blocks import Block
from telltale_query.imports.header import Layout
from telltale_query.imports.numbers import explain_number, parse_numbers
from telltale_query.imports.rows import Rows
from telltale_query.imports.series import BAD, Complaint, SeriesTable
from telltale_query.imports.text import printable
from telltale_query.imports.times import TimeParser
from telltale_query.notes import note_problem
from telltale_query.spreadsheet_text import unguard

NUL = "holds a NUL byte: remove it, or save the file as UTF-8 text anew"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be stored."""

    line: int
    column: str | None
    """As the file calls it; None where the whole row is meant."""
    value: str | None
    """The cell."""
    reason: str


@dataclass(frozen=True)
class Parsed:
    """What became of some rows."""

    read: int
    """Without blank lines."""
    good: Block
    errors: list[RowError]


class Parser:
    """Checks rows.

    Args:
        layout: which cell holds what.
        series: of the file.
        times: how times are read.
    """

    def __init__(self, layout: Layout, series: SeriesTable, times: TimeParser) -> None:
        self._layout = layout
        self._series = series
        self._times = times
        self._width = len(layout.header)

    def parse(self, rows: Rows) -> Parsed:
        """Check ``rows``.

        Raises:
            FileRefused: the file as a whole cannot be taken.
        """
        errors: list[RowError] = []
        cells, lines = rows.cells, rows.line
        if set(map(len, cells)) - {self._width}:
            fit = np.fromiter((len(row) == self._width for row in cells), np.bool_, len(cells))
            errors += [
                RowError(int(lines[at]), None, None, f"has {len(cells[at])} cells, the first line has {self._width}")
                for at in np.flatnonzero(~fit)
                if any(map(str.strip, cells[at]))
            ]
            cells, lines = [cells[at] for at in np.flatnonzero(fit)], lines[fit]
        blank = len(rows.cells) - len(cells) - len(errors)
        good, bad, blank_here = self._columns(cells, lines)
        errors += bad
        if rows.broken is not None:
            errors.append(RowError(rows.broken.line, None, None, rows.broken.reason))
        read = len(rows.cells) - blank - blank_here + (rows.broken is not None)
        errors.sort(key=lambda error: error.line)
        return Parsed(read, good, errors)

    def _columns(self, cells: Sequence[Sequence[str]], lines: np.ndarray) -> tuple[Block, list[RowError], int]:
        """The good rows, what is wrong with the others, and how many of these are blank."""
        count = len(cells)
        # Three times as fast as zip(*cells).
        flat = list(chain.from_iterable(cells))
        texts = {name: flat[place :: self._width] for name, place in self._layout.cell.items()}

        def column(name: str) -> Iterable[str]:
            return texts[name] if name in texts else repeat(self._layout.constant.get(name, ""), count)

        first = int(lines[0]) if count else 1
        positions = self._series.positions(column("source"), column("category"), column("unit"), count, line=first)
        times, good = self._times.parse(texts["observed_at"])
        values = parse_numbers(texts["value"])
        good &= (positions != BAD) & ~np.isnan(values)
        noted, notes = self._notes(texts.get("note", ()), good)
        errors: list[RowError] = []
        blank = 0
        for row in np.flatnonzero(~good).tolist():
            if not any(map(str.strip, cells[row])):
                blank += 1
                continue
            errors.append(self._explain(int(lines[row]), {name: text[row] for name, text in texts.items()}))
        block = Block(positions.astype(np.uint32), times, values, lines.astype(np.uint32), noted, notes)
        return (block if good.all() else block.take(good)), errors, blank

    def _notes(self, texts: Sequence[str], good: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """The rows that have a note, and these notes; bad ones are taken out of ``good``."""
        if not any(texts):
            return np.zeros(0, np.int64), []
        noted = [row for row, text in enumerate(texts) if text]
        notes = [unguard(texts[row]) for row in noted]
        for row, note in zip(noted, notes, strict=True):
            if note_problem(note) is not None:
                good[row] = False
        return np.array(noted, np.int64), notes

    def _explain(self, line: int, cells: dict[str, str]) -> RowError:
        for name, text in cells.items():
            if "\0" in text:
                return self._error(line, name, text, NUL)
        key = tuple(cells.get(name, self._layout.constant.get(name, "")) for name in ("source", "category", "unit"))
        source, category, unit = key
        if (self._series.positions([source], [category], [unit], 1, line=line) == BAD).any():
            complaint: Complaint = self._series.complaint((source, category, unit))
            text = {"source": source, "category": category, "unit": unit}[complaint.column]
            return self._error(line, complaint.column, text, complaint.reason)
        if not self._times.parse([cells["observed_at"]])[1][0]:
            return self._error(line, "observed_at", cells["observed_at"], self._times.explain(cells["observed_at"]))
        if np.isnan(parse_numbers([cells["value"]])[0]):
            return self._error(line, "value", cells["value"], explain_number(cells["value"]))
        note = cells.get("note", "")
        return self._error(line, "note", note, note_problem(unguard(note)) or "cannot be stored")

    def _error(self, line: int, column: str, text: str, reason: str) -> RowError:
        if not text.isprintable() and any("\udc80" <= character <= "\udcff" for character in text):
            reason = "holds bytes that are not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)"
        return RowError(line, printable(self._layout.name_of(column))[:100], printable(text)[:200], reason)
