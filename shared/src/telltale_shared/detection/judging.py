"""How far a reading is from what its series did before; all series of a round side by side."""

from dataclasses import dataclass

import numpy as np

from telltale_shared.detection.state import FAST, LAST, SLOW, SPIKE, Columns, Floats, Integers, Mask
from telltale_shared.detection.tuning import SCORE_MAX, Tuning

_ROUNDING = 1e-12
"""Differences below this part of a value are rounding, not movement."""
SD_OF_MEAN_ERROR = 1.2533
"""Standard deviation of Gaussian noise over its mean absolute value: sqrt(pi / 2)."""


@dataclass(frozen=True)
class Judgement:
    """What one round of readings looks like to their series. Arrays of equal length, one place a series."""

    prediction: Floats
    """(4, n): what each predictor expects; NaN for a season that is not known."""
    best: Integers
    """The predictor that speaks: the one with the smallest spread."""
    expected: Floats
    usual: Floats
    """Spread of the predictor that speaks."""
    score: Floats
    """Distance from the expected value in usual spreads."""
    distance: Floats
    """The same, counted less while levels are new."""
    low: Floats
    high: Floats
    after_gap: Mask
    beyond: Mask
    """Outside of everything seen by more than that is wide."""
    notable: Mask
    """Far enough away to be remembered."""


def judge(c: Columns, t: Floats, v: Floats, believed: Floats, prediction: Floats, tuning: Tuning) -> Judgement:
    """Compares the readings ``v`` at ``t`` with ``prediction``; changes nothing."""
    spread = np.maximum(c.spread, np.maximum(tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
    best = np.where(np.isnan(prediction), np.inf, c.spread).argmin(axis=0)
    every = np.arange(v.size)
    expected, usual = prediction[best, every], spread[best, every]
    score = ratio(np.abs(v - expected), usual)
    young = 1.0 + tuning.young / np.maximum(c.age, 1.0)
    distance = score / young
    reach = young * c.limit[SPIKE] * usual
    return Judgement(
        prediction=prediction,
        best=best,
        expected=expected,
        usual=usual,
        score=score,
        distance=distance,
        low=expected - reach,
        high=expected + reach,
        after_gap=(t - c.last_at > tuning.gap * c.interval) & (c.count >= tuning.warm_up),
        beyond=(v != believed) & (distance >= tuning.threshold),
        notable=distance >= tuning.notable,
    )


def plausible(low: Floats, high: Floats, least: Floats) -> Floats:
    """``low`` as it is told: not below 0 for a series whose ``least`` value so far is not.

    That -6 MB/s were expected is nothing to tell a person; judging goes on with the range as computed.
    """
    return np.where((least >= 0) & (high >= 0), np.maximum(low, 0.0), low)


@dataclass(frozen=True)
class Run:
    """Outliers in a row on one side."""

    unusual: Mask
    follows: Mask
    """On the same side as the outliers just before."""
    stays: Mask
    """The series has moved there."""
    believed: Mask
    """Usual again, at the level to which the reading before jumped."""


def follow_run(c: Columns, v: Floats, judged: Judgement, worth: Floats, tuning: Tuning) -> Run:
    """Counts outliers in a row: readings whose distance is ``worth`` an alarm."""
    limit = np.minimum(tuning.threshold, c.limit[SPIKE])
    side = np.sign(v - judged.expected)
    # Half the limit keeps a run going: the levels already move towards it, and its readings are as noisy as others.
    follows = (judged.distance > 0.5 * limit) & (c.run > 0) & (side == c.run_side)
    unusual = (worth >= limit) | follows
    # The last value speaks for a series that wanders: what it says again after a jump is the level from now on.
    believed = (c.run > 0) & ~unusual & (judged.best == LAST)
    c.run[:] = np.where(unusual, np.where(follows, c.run + 1.0, 1.0), 0.0)
    c.run_sum[:] = np.where(follows, c.run_sum, 0.0) + v
    c.run_side[:] = side
    return Run(unusual, follows, c.run >= tuning.hold, believed)


@dataclass(frozen=True)
class Shift:
    """How far the fast level has left the slow one."""

    apart: Floats
    distance: Floats
    """In usual spreads, counted less while levels are new."""
    reach: Floats
    """The distance that would be unusual."""


def judge_shift(c: Columns, v: Floats, tuning: Tuning) -> Shift:
    """Compares the levels that were reached before ``v``; changes nothing."""
    # A trend holds the levels apart too: only what is new about the distance counts.
    apart = c.level[FAST] - c.level[SLOW] - c.trend
    usual = np.maximum(c.shift_spread, tuning.shift_floor * np.min(c.spread, axis=0))
    usual = np.maximum(usual, np.maximum(tuning.step_floor * tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
    young = 1.0 + tuning.shift_young / np.maximum(c.age, 1.0)
    distance = np.where(c.age >= tuning.shift_age, ratio(np.abs(apart), usual) / young, 0.0)
    return Shift(apart, distance, tuning.threshold * young * usual)


def judge_unrest(c: Columns, v: Floats, judged: Judgement, tuning: Tuning) -> Floats:
    """Takes in the size of the error, and says by how many of its usual spreads the noise has grown.

    The error is the fast level's, which follows a shift: a series that has moved is no noisier for it.
    """
    usual = np.maximum(c.spread[FAST], tuning.step_floor * c.step)
    error = np.minimum(np.abs(v - judged.prediction[FAST]), tuning.winsor * usual)
    c.unrest += np.where(c.count > 0, tuning.fast, 1.0) * (error - c.unrest)
    grown = ratio(SD_OF_MEAN_ERROR * c.unrest, usual) - 1.0
    return np.where(c.age >= tuning.warm_up, np.maximum(grown, 0.0) / tuning.unrest_spread, 0.0)


def ratio(size: Floats, usual: Floats) -> Floats:
    """``size / usual`` up to the limit of scores; 0 / 0 is 0."""
    with np.errstate(divide="ignore"):
        return np.where(size > 0, np.minimum(size / usual, SCORE_MAX), 0.0)
