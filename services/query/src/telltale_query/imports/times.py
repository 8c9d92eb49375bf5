"""Times: RFC 3339 in many texts at once, naive ones in a named zone. Pure.

A local time that a change of clocks skips or repeats is not taken: which instant is meant only its offset can tell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from telltale_shared.instants import EPOCH
from telltale_shared.validation import MICROSECONDS, TimeBounds

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_SECONDS = 19  # characters up to the seconds: 2026-11-23T20:15:00
_LONGEST = _SECONDS + 10 + 6
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
_QUARTER = 900 * MICROSECONDS
"""Changes of clocks happen on whole quarters of an hour."""
_ZONES_FROM, _ZONES_UNTIL = -(2**51), 2**53
"""About 1898 to 2255, µs: times outside of that are refused as too old or in the future, whatever their zone."""

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EXAMPLE = "like 2026-11-23T20:15:00Z or 2026-11-23T21:15:00.5+01:00"


@dataclass
class TimeParser:
    """Reads times.

    Args:
        bounds: what is older or newer is refused.
        zone: of times that name no offset; None refuses these.
    """

    bounds: TimeBounds
    zone: ZoneInfo | None = None
    _offsets: dict[int, int | None] = field(default_factory=dict)
    """By local quarter of an hour: the offset in µs, or None where there is not exactly one."""

    def parse(self, texts: Sequence[str]) -> tuple[Integers, Mask]:
        """Each text in µs since 1970-01-01 UTC (finer digits are cut off), and which of them are good."""
        times = np.zeros(len(texts), np.int64)
        good = np.zeros(len(texts), np.bool_)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        for length in np.unique(lengths):
            if not _SECONDS <= length <= _LONGEST:
                continue
            rows = np.flatnonzero(lengths == length)
            some = texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]
            # What is not ASCII becomes a question mark, which no time has.
            block = np.frombuffer("".join(some).encode("ascii", "replace"), np.uint8).reshape(-1, length)
            times[rows], good[rows] = self._parse_block(block)
        good &= (times >= self.bounds.earliest) & (times < self.bounds.latest)
        return times, good

    def _parse_block(self, block: Bytes) -> tuple[Integers, Mask]:
        """As :meth:`parse`, of texts of one length, a row of characters each."""
        local, good = _local_seconds(block)
        times = local * MICROSECONDS
        last = block[:, -1]
        zulu = (last == ord("Z")) | (last == ord("z"))
        numeric = np.zeros(len(block), np.bool_)
        if block.shape[1] >= _SECONDS + 6:
            sign = block[:, -6]
            numeric = ((sign == ord("+")) | (sign == ord("-"))) & ~zulu
        for suffix, rows in ((1, zulu), (6, numeric), (0, ~(zulu | numeric))):
            if not rows.any():
                continue
            part = block[rows]
            fraction, fraction_good = _fraction(part[:, _SECONDS : block.shape[1] - suffix])
            at, at_good = times[rows] + fraction, good[rows] & fraction_good
            if suffix == 6:
                offset, offset_good = _offset(part[:, -6:])
                at, at_good = at - offset, at_good & offset_good
            elif suffix == 0:
                at, zone_good = self._from_local(at, at_good)
                at_good &= zone_good
            times[rows], good[rows] = at, at_good
        return times, good

    def _from_local(self, local: Integers, wanted: Mask) -> tuple[Integers, Mask]:
        if self.zone is None:
            return local, np.zeros(len(local), np.bool_)
        quarters, which = np.unique(np.where(wanted, local, 0) // _QUARTER, return_inverse=True)
        offsets = [self._offset_at(quarter) for quarter in quarters.tolist()]
        good = np.array([offset is not None for offset in offsets])
        return local - np.array([offset or 0 for offset in offsets], np.int64)[which], good[which]

    def _offset_at(self, quarter: int) -> int | None:
        if quarter not in self._offsets:
            offset: int | None = 0
            if _ZONES_FROM <= quarter * _QUARTER < _ZONES_UNTIL:
                first, second = self._both_offsets(EPOCH + timedelta(microseconds=quarter * _QUARTER))
                offset = first // timedelta(microseconds=1) if first == second else None
            self._offsets[quarter] = offset
        return self._offsets[quarter]

    def _both_offsets(self, local: datetime) -> tuple[timedelta, timedelta]:
        first, second = (local.replace(tzinfo=self.zone, fold=fold).utcoffset() for fold in (0, 1))
        return first or timedelta(), second or timedelta()

    def explain(self, text: str) -> str:
        """Why ``text`` is not taken."""
        match = _RFC_3339.fullmatch(text)
        if match is None:
            return f"must be a time with its offset, {_EXAMPLE}" if text.strip() else f"is missing: a time {_EXAMPLE}"
        try:
            local = datetime.fromisoformat(match[1].upper())
            if match[3] not in (None, "Z", "z"):
                datetime.fromisoformat(f"2000-01-01T00:00:00{match[3]}")
        except ValueError as error:
            return f"is no time that exists: {error}"
        if match[3] is None:
            if self.zone is None:
                return f"has no offset: write it {_EXAMPLE}, or choose the time zone of the file"
            first, second = self._both_offsets(local)
            if first > second:
                return (
                    f"happens twice in {self.zone.key}, when clocks are put back: write it with its offset, "
                    f"like {match[1]}{_signed(first)} or {match[1]}{_signed(second)}"
                )
            if first < second:
                return f"does not exist in {self.zone.key}, where clocks are put forward over it"
        times, _ = self.parse([text])
        if times[0] < self.bounds.earliest:
            return f"lies before {_day(self.bounds.earliest)}: older records are not kept"
        return "lies in the future: check the year, and the clock of the source"


def _signed(offset: timedelta) -> str:
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _day(at: int) -> str:
    return f"{EPOCH + timedelta(microseconds=at):%Y-%m-%d %H:%M} UTC"


def _local_seconds(block: Bytes) -> tuple[Integers, Mask]:
    """Seconds since 1970 of the date and time that each row begins with, and which of them exist."""
    digits = block[:, _DIGITS].astype(np.int64) - ord("0")
    good = ((digits >= 0) & (digits <= 9)).all(axis=1)
    for place, separator in ((4, b"-"), (7, b"-"), (13, b":"), (16, b":")):
        good &= block[:, place] == separator[0]
    good &= np.isin(block[:, 10], np.frombuffer(b"Tt ", np.uint8))
    year = digits[:, 0] * 1_000 + digits[:, 1] * 100 + digits[:, 2] * 10 + digits[:, 3]
    month, day, hour, minute, second = (digits[:, at] * 10 + digits[:, at + 1] for at in (4, 6, 8, 10, 12))
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first_day = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= (day >= 1) & (day <= following - first_day)
    seconds = ((first_day + day - 1) * 24 + hour) * 3_600 + minute * 60 + second
    return np.where(good, seconds, 0), good


def _fraction(part: Bytes) -> tuple[Integers, Mask]:
    """µs of what stands behind the seconds: nothing, or a point and one to nine digits."""
    rows, length = part.shape
    if not length:
        return np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    if not 2 <= length <= 10:
        return np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    digits = part[:, 1:].astype(np.int64) - ord("0")
    good = (part[:, 0] == ord(".")) & ((digits >= 0) & (digits <= 9)).all(axis=1)
    kept = digits[:, :6]
    weights = 10 ** np.arange(5, 5 - kept.shape[1], -1, dtype=np.int64)
    return np.where(good, kept @ weights, 0), good


def _offset(part: Bytes) -> tuple[Integers, Mask]:
    """µs of ``+hh:mm``."""
    digits = part[:, [1, 2, 4, 5]].astype(np.int64) - ord("0")
    good = ((digits >= 0) & (digits <= 9)).all(axis=1) & (part[:, 3] == ord(":"))
    hours, minutes = digits[:, 0] * 10 + digits[:, 1], digits[:, 2] * 10 + digits[:, 3]
    good &= (hours <= 23) & (minutes <= 59)
    signed = np.where(part[:, 0] == ord("-"), -1, 1) * (hours * 60 + minutes)
    return np.where(good, signed * 60 * MICROSECONDS, 0), good
