"""The series that a file speaks of: each (source, category) pair once, with one unit. Pure.

A series has a position here, in the order in which the file first names it; its id comes with the first row stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from telltale_query.imports.text import FileRefused
from telltale_query.imports.times import Integers
from telltale_query.spreadsheet_text import unguard
from telltale_shared.store.series import Identity, Series
from telltale_shared.validation import check_series

SERIES_MAX = 100_000
"""Series of one file at most: more come from columns that are taken for each other."""
BAD = -1

Key = tuple[str, str, str]
"""Cells of source, category and unit as the file has them."""

Find = Callable[[Sequence[Identity]], Mapping[Identity, Series]]
"""Those that are stored already."""


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one cell."""

    column: str
    reason: str


@dataclass
class FileSeries:
    """One series of a file."""

    source: str
    category: str
    unit: str | None
    """As the file says; None while no row has named one."""
    stored: Series | None


class SeriesTable:
    """Gives each series its position and holds it to one unit.

    Args:
        find: looks for series that are stored already.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._position: dict[Key, int] = {}
        self._by_identity: dict[Identity, int] = {}
        self.series: list[FileSeries] = []

    def positions(
        self, sources: Iterable[str], categories: Iterable[str], units: Iterable[str], rows: int, *, line: int
    ) -> Integers:
        """The position of each row's series; ``BAD`` where it cannot be one.

        Args:
            sources: per row, like the next two.
            categories: per row.
            units: per row; empty for none.
            rows: how many there are.
            line: where the first of them is.

        Raises:
            FileRefused: there are too many series.
        """
        keys: list[Key] = list(zip(sources, categories, units, strict=False))
        found = np.fromiter(map(self._position.get, keys, repeat(BAD)), np.int64, rows)
        if (found == BAD).any():
            self._register({keys[row]: None for row in np.flatnonzero(found == BAD)}, line)
            found = np.fromiter(map(self._position.get, keys, repeat(BAD)), np.int64, rows)
        return found

    def _register(self, keys: Iterable[Key], line: int) -> None:
        good = [key for key in keys if _complaint(*key) is None]
        names = list(dict.fromkeys((unguard(source), unguard(category)) for source, category, _ in good))
        new = [name for name in names if name not in self._by_identity]
        if len(self.series) + len(new) > SERIES_MAX:
            raise FileRefused(
                line,
                f"names more than {SERIES_MAX:,} series so far: are the columns source and category the right ones? "
                "Otherwise import the file in parts",
            )
        stored = self._find(new) if new else {}
        for identity in new:
            self._by_identity[identity] = len(self.series)
            self.series.append(FileSeries(*identity, None, stored.get(identity)))
        for key in good:
            position = self._by_identity[unguard(key[0]), unguard(key[1])]
            one, unit = self.series[position], unguard(key[2]) or None
            if _unit_problem(one, unit) is None:
                one.unit = unit or one.unit
                self._position[key] = position

    def complaint(self, key: Key) -> Complaint:
        """Why the series of a row is ``BAD``."""
        complaint = _complaint(*key)
        if complaint is None:
            one = self.series[self._by_identity[unguard(key[0]), unguard(key[1])]]
            complaint = Complaint("unit", _unit_problem(one, unguard(key[2]) or None) or "cannot be read")
        return complaint


def _complaint(source: str, category: str, unit: str) -> Complaint | None:
    rejected = check_series(unguard(source), unguard(category), unguard(unit) or None)
    if rejected is None:
        return None
    column = {"bad_source": "source", "bad_category": "category"}.get(rejected.reason, "unit")
    return Complaint(column, rejected.detail.removeprefix(f"{column} "))


def _unit_problem(one: FileSeries, unit: str | None) -> str | None:
    """Why a row of series ``one`` cannot have ``unit``."""
    if unit is None:
        return None
    if one.stored is not None and unit != one.stored.unit:
        own = f"in {one.stored.unit!r}" if one.stored.unit else "without a unit"
        return f"is not that of the stored records of {one.source} · {one.category}, which are {own}"
    if one.unit is not None and unit != one.unit:
        return f"is another one than further up in the file, where {one.source} · {one.category} is in {one.unit!r}"
    return None
