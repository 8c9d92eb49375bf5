"""What a reading may be. Pure, and the same for every consumer and for REST.

The rules, in the order in which they are reported:

=====================  ================================================================
reason                 a reading is refused when
=====================  ================================================================
``bad_source``         its source is empty, over 100 characters, has control characters or outer blanks
``bad_category``       likewise its category
``bad_unit``           its unit is over 32 characters or has control characters
``bad_index``          it names no series of its delivery
``not_a_number``       its value or time is missing or no number
``not_finite``         its value is NaN or infinite
``out_of_range``       its value's magnitude is above 1e100
``too_old``            it was measured before the horizon
``in_the_future``      it was measured later than now plus the allowed skew
``unit_conflict``      its unit is not that of its series
``conflict``           another value is stored for its series and instant
=====================  ================================================================
"""

import math
from dataclasses import dataclass

import msgspec

NAME_MAX = 100
UNIT_MAX = 32
VALUE_MAX = 1e100
"""So that the sum of squares of any number of values stays a finite double."""
MICROSECONDS = 1_000_000

DAY = 86_400 * MICROSECONDS
FUTURE_SKEW = 5 * 60 * MICROSECONDS
"""How far ahead of our clock a source's clock may run, µs."""


@dataclass(frozen=True)
class TimeBounds:
    """The half-open range of times that a reading may have, µs since 1970-01-01 UTC."""

    earliest: int
    latest: int

    @classmethod
    def around(cls, now: int, *, retention: int = 3_650 * DAY, skew: int = FUTURE_SKEW) -> "TimeBounds":
        """The bounds at ``now``: from the retention horizon up to the allowed clock skew."""
        return cls(now - retention, now + skew)


class Rejected(msgspec.Struct, frozen=True):
    """Why one reading is refused: a reason from the table above and a sentence for a person."""

    reason: str
    detail: str


CONFLICT = Rejected("conflict", "another value is stored for this series and instant")


def is_name(text: str, longest: int) -> bool:
    """Whether ``text`` can be a key: 1 to ``longest`` printable characters without outer blanks.

    The database does not tell names apart by the blanks at their end.
    """
    return 1 <= len(text) <= longest and text.isprintable() and text == text.strip()


def check_series(source: object, category: object, unit: object) -> Rejected | None:
    """What is wrong with the identity of a series, or None."""
    for reason, name, text in (("bad_source", "source", source), ("bad_category", "category", category)):
        if not isinstance(text, str) or not is_name(text, NAME_MAX):
            return Rejected(reason, f"{name} must be 1 to {NAME_MAX} printable characters without outer blanks")
    if unit is not None and (not isinstance(unit, str) or not 1 <= len(unit) <= UNIT_MAX or not unit.isprintable()):
        return Rejected("bad_unit", f"unit must be 1 to {UNIT_MAX} printable characters, or absent")
    return None


def check_unit(unit: str | None, of_series: str | None) -> Rejected | None:
    """What is wrong with a reading in ``unit`` for a series that has the unit ``of_series``; one without fits any."""
    if unit is None or unit == of_series:
        return None
    own = f"in {of_series}" if of_series else "without a unit"
    return Rejected("unit_conflict", f"this series is {own}, the reading in {unit}")


def check_value(value: object) -> Rejected | None:
    """What is wrong with a measured value, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Rejected("not_a_number", f"value must be a number, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        return Rejected("not_finite", "value must be finite")
    if abs(value) > VALUE_MAX:
        return Rejected("out_of_range", f"value must lie within ±{VALUE_MAX:g}")
    return None


def check_time(observed_at: object, bounds: TimeBounds) -> Rejected | None:
    """What is wrong with the time of a reading (µs since 1970-01-01 UTC), or None."""
    if isinstance(observed_at, bool) or not isinstance(observed_at, int):
        return Rejected("not_a_number", "observed_at must be a whole number of microseconds since 1970-01-01 UTC")
    if observed_at < bounds.earliest:
        return Rejected("too_old", "observed_at lies before the retention horizon")
    if observed_at >= bounds.latest:
        return Rejected("in_the_future", "observed_at lies in the future beyond the allowed clock skew")
    return None
