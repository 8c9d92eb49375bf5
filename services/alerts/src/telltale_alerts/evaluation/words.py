"""What alerts say to a person."""

from telltale_alerts.evaluation.rules import SECOND, Direction, Rule

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(microseconds: int) -> str:
    """A duration in at most two units: ``45 s``, ``2 min``, ``1 h 5 min``."""
    left = round(microseconds / SECOND)
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts) or "0 s"


def quantity(value: float, unit: str | None) -> str:
    """A number to six digits, in groups of three, with its unit."""
    number = f"{float(f'{value:.6g}'):,.10g}"
    return f"{number} {unit}" if unit else number


def beyond(rule: Rule, value: float, unit: str | None, held: int) -> str:
    """A value beyond its threshold, for ``held`` µs."""
    lasting = f" for {duration(held)}" if held >= SECOND else ""
    side = "above" if rule.direction is Direction.ABOVE else "below"
    return f"{quantity(value, unit)}, {side} {quantity(rule.threshold, unit)}{lasting}."


def back(rule: Rule, value: float, unit: str | None) -> str:
    """A value that is back where it may be."""
    limit = rule.threshold if rule.clear is None else rule.clear
    side = "no more above" if rule.direction is Direction.ABOVE else "no more below"
    return f"{quantity(value, unit)}, {side} {quantity(limit, unit)}."


def missing(count: float, held: int) -> str:
    """Readings that the ledger misses."""
    lasting = f" for {duration(held)}" if held >= SECOND else ""
    return f"{count:,.0f} confirmed readings are missing{lasting}."


ALL_THERE = "No reading is missing."
READINGS_AGAIN = "Readings arrive again."


def unusual(explanation: str, score: float) -> str:
    """What the detector says of a reading."""
    return f"{explanation.rstrip('.')} (score {score:.1f})."


def usual_again(clear_after: int) -> str:
    """The detector finds nothing any more."""
    return f"Nothing unusual for {duration(clear_after)}."


def silent(since: int, now: int) -> str:
    """A series without readings."""
    return f"No reading for {duration(now - since)}."


RULE_CHANGED = "The rule was changed, switched off or deleted."
FORGOTTEN = "The series was forgotten."
