"""How sensitive a series is watched: the score from which each kind of anomaly is marked, and what verdicts teach."""

from collections.abc import Mapping

from telltale_shared.detection.state import KINDS, Kind
from telltale_shared.detection.tuning import TUNING

LEVELS = {"high": 0.75 * TUNING.threshold, "normal": TUNING.threshold, "low": 1.5 * TUNING.threshold}
"""The named levels: the score from which on an alarm is given, in usual spreads from what was expected."""
LEAST, MOST = 4.0, 25.0
"""Below, noise itself gives alarms; no record is worth more than 21, so that above only flatlines do."""
LESSON = 1.25
"""Each dismissed anomaly of a kind raises the limit of that kind so many times …"""
LESSONS = 6
"""… up to so many: 3.8 times, which a person still sees through and can take back."""


def limits(threshold: float, dismissed: Mapping[str, int]) -> dict[Kind, float]:
    """The score from which each kind is marked.

    Args:
        threshold: what was chosen for the series.
        dismissed: how many anomalies of each kind people dismissed, less those they confirmed.
    """
    return {kind: threshold * LESSON ** min(max(dismissed.get(kind, 0), 0), LESSONS) for kind in KINDS}


def level(threshold: float) -> str | None:
    """The name of ``threshold``; None for a number of one's own."""
    return next((name for name, value in LEVELS.items() if value == threshold), None)


def known_limits(told: Mapping[str, float]) -> dict[Kind, float]:
    """Limits by kind from a message: kinds of a later version and numbers that are no limit are left out."""
    return {kind: told[kind] for kind in KINDS if kind in told and 0 < told[kind] < float("inf")}
