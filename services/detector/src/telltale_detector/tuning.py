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
    """Weight of a reading in the fast level, which remembers about 20."""
    slow: float = 0.005
    """Weight of a reading in the slow level, which remembers about 400."""
    spread: float = 0.005
    """Weight of a reading in the spreads: with 400 remembered, a spread is known to 4 %."""
    shift_spread: float = 0.0005
    """Weight in the spread of fast - slow, whose neighbours resemble each other: it needs a longer memory."""
    winsor: float = 3.0
    """An outlier moves levels and spreads by no more than a reading so many spreads away would."""

    threshold: float = 6.0
    """Spreads from the expected value that open an event: Gaussian noise does that once in 500 million readings."""
    tail_rate: float = 0.001
    """How often a reading may lie beyond the learned tail of its own series."""
    tail_factor: float = 1.8
    """An event needs so many times the learned tail: 6 for Gaussian noise, more for a series with heavy tails."""
    tail_step: float = 0.1
    """Relative step by which the tail is learned: calm, and settled within a few thousand readings."""
    tail_step_shift: float = 0.002
    """Likewise for the shift test: its excursions last for tens of readings, each of which teaches that much less."""
    tail_step_alarm: float = 0.1
    """Step after an alarm: a series that jumps every minute stops being news, and is again within 1,000 readings."""
    young: float = 10.0
    """Thresholds are 1 + young/age times higher while levels are new."""
    young_shift: float = 100.0
    """Likewise for the shift test, whose spread takes ten times longer to learn."""
    shift_age: int = 600
    """The shift test compares with a slow level that has been at rest for so long."""
    shift_floor: float = 0.2
    """The spread of fast - slow is at least this part of the reading's: for white noise it is 0.23 of it."""
    step_floor: float = 0.35
    """A spread is at least this part of the usual step: one or two usual steps at once are no news."""

    hold: int = 5
    """So many outliers in a row on one side are a new level; fewer are a spike."""
    refractory: int = 30
    """An event ends after so many usual readings; until then it gives no second alarm."""
    gap: float = 20.0
    """A silence of so many usual intervals is a gap: where the series goes on is then no surprise."""

    stuck: int = 20
    """A flatline is at least so many equal readings."""
    stuck_factor: float = 3.0
    """… and so many times longer than any run of equal readings before it."""
    stuck_moves: int = 20
    """Only a series that has moved so often can be stuck."""
    stuck_patience: float = 1.1
    """After a flatline the next must be so much longer, so that a sticky sensor falls silent."""

    range_margin: float = 1.0
    """Out of range means beyond everything seen by so many times its width."""

    record_weights: tuple[float, float, float, float] = (1.0, 0.1, 0.03, 0.03)
    """Weight of a reading in what novelty watches: itself, means of about 20 and 60, and of 60 distances
    from the profile. A mean of 200 comes too late."""
    record_season: float = 0.5
    """The profile is young when its first errors are seen, so that their range is narrow: they count half."""
    record_decay: float = 0.985
    """An event fades by half in 46 readings; until then only what is newer still is news."""

    season: float = 0.3
    """Weight of a new day in the daily profile: about three days are remembered."""


TUNING = Tuning()

SCORE_MAX = 1_000.0
"""Scores end here: a larger number says nothing more, and a constant that moves would have an infinite one."""
