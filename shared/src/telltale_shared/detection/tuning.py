"""The constants of the model, each with its reason. One set serves every series."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tuning:
    """Counts are in readings of one series, factors are plain numbers; nothing depends on the sampling interval."""

    warm_up: int = 60
    """No alarm before so many readings: the spread is then known to about 10 %."""
    learn: int = 10
    """The first readings are taken as they are; only then is there a spread to limit an outlier by."""

    fast: float = 0.1
    """Weight of a reading in everything that follows quickly: it remembers about 20."""
    slow: float = 0.005
    """Weight of a reading in the slow level, which remembers about 400."""
    spread: float = 0.005
    """Weight of a reading in the spreads: with 400 remembered, a spread is known to 4 %."""
    shift_spread: float = 0.0005
    """Weight in the spread of fast - slow, whose neighbours resemble each other: it needs a longer memory."""
    winsor: float = 3.0
    """An outlier moves levels and spreads by no more than a reading so many spreads away would."""
    step_floor: float = 0.35
    """A spread is at least this part of the usual step: one or two usual steps at once are no news."""
    young: float = 10.0
    """A distance counts 1 + young/age times less while levels are new."""
    season: float = 0.3
    """Weight of a new day in the daily profile: about three days are remembered."""

    threshold: float = 6.0
    """Usual spreads from the expected value that open an event, at normal sensitivity: Gaussian noise does that once in
    500 million readings. What is not a distance is scaled so that it is worth an alarm from here on."""
    notable: float = 4.0
    """Distances from here on are remembered by their size, to tell how rare one is."""
    rare: float = 3_000.0
    """A distance is worth an alarm where its series shows one as large at most once in so many readings: at one reading
    a second once in 50 minutes, at one in 5 minutes once in 10 days."""
    credit: float = 6_000.0
    """A young series is taken to have had so many ordinary readings before: its first two jumps of a size are told."""
    history: float = 50_000.0
    """After so many readings what is remembered of distances counts half: habits change."""

    record: float = 0.04
    """Part of all that was seen by which a record is worth an alarm: a 25th. Between a 33rd and a 22nd it makes little
    difference."""
    record_season: float = 0.5
    """The profile is young when its first errors are seen, so that their range is narrow: they count half."""
    record_spreads: float = 5.0
    """A record counts only as far from the expected value as Gaussian noise comes once in 2 million readings …"""
    record_odds: float = 16.0
    """… or where Gaussian noise would set it once in e^16 = 9 million readings: a series whose noise has an edge."""

    refractory: int = 60
    """An event ends after so many usual readings; until then it gives no second alarm."""
    fade: float = 0.985
    """What was told fades by half in 46 readings; until then only what is more unusual still is news."""
    hold: int = 5
    """So many outliers in a row on one side are a new level; fewer are a spike."""
    gap: float = 20.0
    """A silence of so many usual intervals is a gap: where the series goes on is then no surprise."""

    shift_age: int = 600
    """The shift test compares with a slow level that has been at rest for so long."""
    shift_young: float = 100.0
    """As ``young``, for the shift test, whose spread takes ten times longer to learn."""
    shift_floor: float = 0.2
    """The spread of fast - slow is at least this part of the reading's: for white noise it is 0.23 of it."""
    unrest_spread: float = 0.17
    """Relative spread of the mean of about 20 absolute errors of Gaussian noise: 0.756 * sqrt(fast / (2 - fast))."""

    stuck: int = 20
    """A flatline is at least so many equal readings."""
    stuck_factor: float = 3.0
    """… and so many times longer than any run of equal readings before it."""
    stuck_moves: int = 20
    """Only a series that has moved so often can be stuck."""
    stuck_patience: float = 1.1
    """After a flatline the next must be so much longer, so that a sticky sensor falls silent."""


TUNING = Tuning()

SCORE_MAX = 1_000.0
"""Scores end here: a larger number says nothing more, and a constant that moves would have an infinite one."""
