"""How stored buckets differ from what they should be; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telltale_shared.store import sketches
from telltale_shared.store.levels import Level

ROUNDING = 1e-9
"""Sums that differ by less, relative to what was added up, differ by the order of adding only."""


@dataclass
class Differences:
    """Counts of buckets, all tiers together. An hour or a day that several steps meet counts in each of them."""

    compared: int = 0
    missing: int = 0
    """That had no row, although there are records."""
    needless: int = 0
    """That had a row, although there are no records."""
    wrong: int = 0
    """Whose count, sums or extremes were others."""
    unsketched: int = 0
    """Whose sketch alone was missing or another."""

    @property
    def total(self) -> int:
        """Buckets that differed."""
        return self.missing + self.needless + self.wrong + self.unsketched

    def __iadd__(self, other: "Differences") -> "Differences":
        self.compared += other.compared
        self.missing += other.missing
        self.needless += other.needless
        self.wrong += other.wrong
        self.unsketched += other.unsketched
        return self

    def note(
        self, stored: tuple[Level, Sequence[bytes]], computed: tuple[Level, Sequence[bytes]]
    ) -> npt.NDArray[np.intp]:
        """Compare buckets as they are stored with the same ones as computed.

        Returns:
            The positions in ``computed`` that are to be written.
        """
        old, new = stored[0], computed[0]
        position_of = {key: position for position, key in enumerate(old.keys())}
        partner = np.array([position_of.get(key, -1) for key in new.keys()], np.int64)  # noqa: SIM118 - not a mapping
        known = partner >= 0
        both = partner[known]
        wrong, unsketched = np.zeros(len(new), bool), np.zeros(len(new), bool)
        wrong[known] = ~_alike(old.take(both), new.take(known))
        rows, codes, counts = sketches.bins_in(stored[1])
        compact = sketches.to_blobs(rows, codes, counts, length=len(old))
        unsketched[known] = [
            compact[position] != blob
            for position, blob in zip(both.tolist(), np.array(computed[1], object)[known].tolist(), strict=True)
        ]
        self.compared += len(new) + len(old) - len(both)
        self.missing += int((~known).sum())
        self.needless += len(old) - len(both)
        self.wrong += int(wrong.sum())
        self.unsketched += int((unsketched & ~wrong).sum())
        return np.flatnonzero(~known | wrong | unsketched)


def _alike(old: Level, new: Level) -> npt.NDArray[np.bool_]:
    exact = (old.count == new.count) & (old.low == new.low) & (old.high == new.high)
    largest = np.maximum(np.abs(new.low), np.abs(new.high)) * new.count
    totals = np.abs(old.total - new.total) <= ROUNDING * largest
    squares = np.abs(old.squares - new.squares) <= ROUNDING * np.maximum(old.squares, new.squares)
    alike: npt.NDArray[np.bool_] = exact & totals & squares
    return alike
