"""What the model found, in words and numbers."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from telltale_shared.detection.state import Kind, Series


@dataclass(frozen=True)
class Anomaly:
    """One event, told by the reading that began it (of a flatline: the reading that gave it away)."""

    series: Series
    observed_at: int
    """µs since 1970-01-01 UTC."""
    value: float
    score: float
    """How unusual, at most 1,000: robust standard deviations from the expected value, or what is worth as much."""
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


def rarity(once_in: float) -> str:
    """How unusual: one in so many readings, with the digits that a count of one event allows."""
    if once_in < 2:
        return "unlike anything so far"
    digits = max(0, int(math.log10(once_in)) - 1)
    return f"once in about {round(once_in, -digits):,.0f} readings or less often"


def _amount(value: float, unit: str | None) -> str:
    return f"{number(value)} {unit}" if unit else number(value)


def _where(value: float, expected: float) -> str:
    return "above" if value > expected else "below"


def spike(unit: str | None, value: float, low: float, high: float, since: float, once_in: float) -> str:
    """A reading that left the expected range and came back."""
    return (
        f"Spike at {clock(since)}: {_amount(value, unit)} lies {_where(value, low / 2 + high / 2)} what was expected"
        f" ({number(low)} to {_amount(high, unit)}), and the series came back; {rarity(once_in)}."
    )


def jump(unit: str | None, after: float, low: float, high: float, since: float, once_in: float) -> str:
    """A level that changed at once, ``since`` (µs)."""
    return (
        f"Level shift: since {clock(since)} the readings stay around {_amount(after, unit)},"
        f" {_where(after, low / 2 + high / 2)} what was expected ({number(low)} to {_amount(high, unit)});"
        f" {rarity(once_in)}."
    )


def drift(unit: str | None, mean: float, low: float, high: float, since: float, once_in: float) -> str:
    """A level that changed by less than single readings vary, so that only their mean shows it."""
    return (
        f"Level shift: at {clock(since)} the last 20 readings average {_amount(mean, unit)},"
        f" {_where(mean, low / 2 + high / 2)} the usual {number(low)} to {_amount(high, unit)}; {rarity(once_in)}."
    )


def variance(unit: str | None, times: float, low: float, high: float, since: float, once_in: float) -> str:
    """Readings that scatter ``times`` as widely as usual."""
    return (
        f"Variance: at {clock(since)} the last 20 readings scatter {times:.1f} times as widely as usual, around an"
        f" expected {number(low)} to {_amount(high, unit)}; {rarity(once_in)}."
    )


def off_season(unit: str | None, mean: float, low: float, high: float, since: float, once_in: float) -> str:
    """Readings that are not where they usually are at this time of day."""
    return (
        f"Season broken: at {clock(since)} the last 20 readings average {_amount(mean, unit)},"
        f" {_where(mean, low / 2 + high / 2)} the {number(low)} to {_amount(high, unit)} of earlier days at this time;"
        f" {rarity(once_in)}."
    )


def flatline(unit: str | None, value: float, equal: float, since: float, until: float, longest: float) -> str:
    """A value that stands still from ``since`` to ``until`` (µs)."""
    return (
        f"Flatline: since {clock(since)} exactly {_amount(value, unit)}, {equal:.0f} readings in a row"
        f" ({duration(until - since)}); this series used to change within {longest:.0f}."
    )


def out_of_range(unit: str | None, value: float, low: float, high: float, since: float, once_in: float) -> str:
    """A reading clearly beyond everything seen, which was from ``low`` to ``high``."""
    return (
        f"Out of range: at {clock(since)} {_amount(value, unit)} lies far {_where(value, low / 2 + high / 2)}"
        f" everything seen so far ({number(low)} to {_amount(high, unit)}); {rarity(once_in)}."
    )
