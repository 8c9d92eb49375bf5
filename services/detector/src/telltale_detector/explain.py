"""What the model found, in words and numbers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from telltale_detector.state import Series


class Kind(StrEnum):
    """What makes a reading unusual."""

    SPIKE = "spike"
    """It jumped out of the expected range and came back."""
    LEVEL_SHIFT = "level_shift"
    """It moved to another level and stays there."""
    FLATLINE = "flatline"
    """It stands still, though it used to move."""
    OUT_OF_RANGE = "out_of_range"
    """It lies clearly beyond everything seen so far."""


@dataclass(frozen=True)
class Anomaly:
    """One event, told by the reading that began it (of a flatline: the reading that gave it away)."""

    series: Series
    observed_at: int
    """µs since 1970-01-01 UTC."""
    value: float
    score: float
    """Robust standard deviations from the expected value, at most 1,000."""
    expected_low: float
    expected_high: float
    kind: Kind
    explanation: str


def number(value: float) -> str:
    """``value`` with the digits a person needs: about five."""
    text = f"{value:,.5g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e12 else text


def clock(at: float) -> str:
    """The UTC time of day of ``at`` (µs)."""
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%H:%M:%S UTC")


def duration(microseconds: float) -> str:
    """A length of time in its largest sensible unit."""
    seconds = microseconds / 1e6
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def spread_words(score: float, limit: float) -> str:
    """``9.1 times the usual spread``; beyond the limit of scores it only says so."""
    amount = f"more than {number(limit)}" if score >= limit else f"{score:.1f}"
    return f"{amount} times the usual spread"


def _amount(value: float, unit: str | None) -> str:
    return f"{number(value)} {unit}" if unit else number(value)


def _where(value: float, expected: float) -> str:
    return "above" if value > expected else "below"


def spike(unit: str | None, value: float, low: float, high: float, score: float, limit: float) -> str:
    """A reading that left the expected range and came back."""
    middle = low / 2 + high / 2
    return (
        f"Spike: {_amount(value, unit)} is {spread_words(score, limit)} {_where(value, middle)} what was expected"
        f" ({number(low)} to {_amount(high, unit)})."
    )


def jump(unit: str | None, before: float, after: float, since: float, score: float, limit: float) -> str:
    """A level that changed at once, ``since`` (µs)."""
    return (
        f"Level shift: since {clock(since)} the readings stay around {_amount(after, unit)}, {_where(after, before)}"
        f" {_amount(before, unit)} before; the first was {spread_words(score, limit)} away."
    )


def drift(unit: str | None, before: float, after: float, score: float, limit: float) -> str:
    """A level that changed by less than single readings vary, so that only their mean shows it."""
    return (
        f"Level shift: the last 20 readings average {_amount(after, unit)}, {_where(after, before)} the usual"
        f" {_amount(before, unit)}; that mean is {spread_words(score, limit)} of such means away."
    )


def flatline(unit: str | None, value: float, equal: float, since: float, until: float) -> str:
    """A value that stands still from ``since`` to ``until`` (µs)."""
    return (
        f"Flatline: exactly {_amount(value, unit)} for {equal:.0f} readings"
        f" ({duration(until - since)}, since {clock(since)}), longer than ever; this series used to change."
    )


def out_of_range(unit: str | None, value: float, low: float, high: float) -> str:
    """A reading clearly beyond everything seen, which was from ``low`` to ``high``."""
    return (
        f"Out of range: {_amount(value, unit)} lies far {_where(value, low / 2 + high / 2)} everything seen so far"
        f" ({number(low)} to {_amount(high, unit)})."
    )
