"""Sketches: how the values of a bucket are spread, small enough to store and exact to add.

A DDSketch (Masson, Rim, Lee: DDSketch, VLDB 2019) counts values in bins whose bounds grow by a constant factor, so that
the middle of a bin is within 1 % of every value in it. A bin has a code that rises with its values: 0 for magnitudes
below 1e-100, else 1, 2, 3 … from there up to 1e100, negative for negative values.

On disk a sketch is a run of entries (code, count) in any order; a code may come more than once. So the concatenation of
two runs is the sum of two sketches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from telltale_shared.store.records import Floats, Integers

RELATIVE_ERROR = 0.01
"""Of a quantile, for values of a magnitude from 1e-100 to 1e100; below, the absolute error is less than 1e-100."""

ENTRY = np.dtype([("code", "<i2"), ("count", "<u4")])
"""One entry of a run, 6 bytes."""

Codes = npt.NDArray[np.int16]

_SMALLEST, _LARGEST = 1e-100, 1e100
_CODES = 1 << 16
_LARGEST_COUNT = (1 << 32) - 1
# A little below 1.01 / 0.99, which would be exactly 1 % without rounding: (γ - 1) / (γ + 1) is 0.009999.
_GAMMA = "1.0202"


@cache
def _bounds() -> Floats:
    """By positive code the upper bound of its bin; the bound before the first is the smallest magnitude.

    They are computed in decimals, since a logarithm may differ between processors in the last bit, and a value on a
    bound must have the same code wherever it is counted.
    """
    context = Context(prec=50)
    gamma, bound = context.create_decimal(_GAMMA), context.create_decimal("1e-100")
    bounds = [float(bound)]
    while bounds[-1] < _LARGEST:
        bound = context.multiply(bound, gamma)
        bounds.append(float(bound))
    return np.array(bounds)


def codes(values: Floats) -> Codes:
    """The bin of each of ``values``, which are finite and of a magnitude up to 1e100."""
    magnitudes = np.abs(values)
    found = np.searchsorted(_bounds(), magnitudes).astype(np.int16)
    # The smallest magnitude itself is in the first bin.
    np.maximum(found, 1, out=found, where=magnitudes >= _SMALLEST)
    return np.where(values < 0, -found, found)


def values_of(of: Codes) -> Floats:
    """The value that stands for all of a bin: none of them is further than 1 % from it."""
    position = np.abs(of.astype(np.int64))
    lower = _bounds()[np.maximum(position - 1, 0)]
    middle = lower * (2 * float(_GAMMA) / (1 + float(_GAMMA)))
    return np.where(position == 0, 0.0, np.sign(of) * middle)


def bounds_of(of: Codes) -> tuple[Floats, Floats]:
    """The values between which all values of a bin lie, the lower and the higher one."""
    position = np.abs(of.astype(np.int64))
    near = np.where(position == 0, 0.0, _bounds()[np.maximum(position - 1, 0)])
    far = np.where(position == 0, 0.0, _bounds()[position])
    return np.where(of < 0, -far, near), np.where(of < 0, -near, far)


@dataclass(frozen=True, eq=False)
class Sketch:
    """How many values are in which bin."""

    codes: Codes
    """Of the bins that hold a value, rising."""
    counts: Integers
    """For each of ``codes``."""

    @classmethod
    def from_values(cls, values: Floats) -> "Sketch":
        """The sketch of ``values``."""
        return cls._adding(codes(values), None)

    @classmethod
    def from_blobs(cls, blobs: Iterable[bytes]) -> "Sketch":
        """The sum of stored sketches, however many."""
        entries = np.frombuffer(b"".join(blobs), ENTRY)
        return cls._adding(entries["code"], entries["count"])

    @classmethod
    def _adding(cls, of: Codes, counts: npt.NDArray[np.uint32] | Integers | None) -> "Sketch":
        # Sums of whole numbers below 2**53 are exact in doubles.
        totals = np.bincount(of.astype(np.int64) + _CODES // 2, counts, minlength=_CODES).astype(np.int64)
        (used,) = np.nonzero(totals)
        return cls((used - _CODES // 2).astype(np.int16), totals[used])

    def __add__(self, other: "Sketch") -> "Sketch":
        return self._adding(np.concatenate((self.codes, other.codes)), np.concatenate((self.counts, other.counts)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return np.array_equal(self.codes, other.codes) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    @property
    def count(self) -> int:
        """How many values it counts."""
        return int(self.counts.sum())

    def quantile(self, q: float, minimum: float, maximum: float) -> float:
        """The value of rank ⌊q · (count - 1)⌋ of the values in their order, counted from 0, within 1 %.

        Args:
            q: from 0 to 1.
            minimum: of the values, as known from elsewhere: the answer is never less.
            maximum: of the values: the answer is never more.

        Raises:
            ValueError: it counts no value, or ``q`` is not from 0 to 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q is {q}, not from 0 to 1")
        if not len(self.codes):
            raise ValueError("a sketch of no values has no quantiles")
        reached = np.cumsum(self.counts)
        rank = int(q * (int(reached[-1]) - 1))
        position = int(np.searchsorted(reached, rank, side="right"))
        return min(max(float(values_of(self.codes[position : position + 1])[0]), minimum), maximum)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return to_blobs(np.zeros(len(self.codes), np.int64), self.codes, self.counts, length=1)[0]


def to_blobs(rows: Integers, of: Codes, counts: Integers | None, *, length: int) -> list[bytes]:
    """Many sketches at once, each as short as it can be stored.

    Args:
        rows: of each bin, in any order, the row whose sketch it belongs to.
        of: the code of each bin; one that comes several times in a row is added up.
        counts: how many values each bin holds; None: one.
        length: the number of rows.
    """
    keys = rows * _CODES + of + _CODES // 2
    order = None if counts is None else np.argsort(keys, kind="stable")
    keys = np.sort(keys) if order is None else keys[order]
    starts = np.flatnonzero(np.append(True, np.diff(keys) != 0)) if len(keys) else np.zeros(0, np.int64)
    if counts is None:
        totals = np.diff(np.append(starts, len(keys)))
    else:
        totals = np.add.reduceat(counts[order], starts) if len(keys) else counts
    keys, totals = _within_entries(keys[starts], totals)
    entries = np.empty(len(keys), ENTRY)
    entries["code"], entries["count"] = keys % _CODES - _CODES // 2, totals
    ends = np.searchsorted(keys, np.arange(length + 1) * _CODES) * ENTRY.itemsize
    joined = entries.tobytes()
    return [joined[begin:end] for begin, end in pairwise(ends.tolist())]


def bins_in(blobs: Sequence[bytes]) -> tuple[Integers, Codes, Integers]:
    """The bins of stored sketches: of each its row, code and count. A code may come several times in a row."""
    entries = np.frombuffer(b"".join(blobs), ENTRY)
    lengths = np.array([len(blob) for blob in blobs], np.int64) // ENTRY.itemsize
    return np.repeat(np.arange(len(blobs)), lengths), entries["code"], entries["count"].astype(np.int64)


def _within_entries(keys: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """A count too large for one entry is spread over several of the same key."""
    while len(large := np.flatnonzero(counts > _LARGEST_COUNT)):
        counts = np.insert(counts, large, _LARGEST_COUNT)
        counts[large + np.arange(1, len(large) + 1)] -= _LARGEST_COUNT
        keys = np.insert(keys, large, keys[large])
    return keys, counts
