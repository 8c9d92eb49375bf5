"""How unusual a reading is, judged by what its series did before; all series of a round side by side."""

from dataclasses import dataclass

import numpy as np

from telltale_detector.state import FAST, JUMP, LAST, SHIFT, SLOW, Columns, Floats, Integers, Mask
from telltale_detector.tuning import SCORE_MAX, Tuning

_ROUNDING = 1e-12
"""Differences below this part of a value are rounding, not movement."""


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
    low: Floats
    high: Floats
    margin: Floats
    """How far beyond the range seen is out of range."""
    after_gap: Mask
    beyond: Mask
    """Out of range."""
    follows: Mask
    """On the same side as the outliers just before."""
    unusual: Mask
    believed: Mask
    """Usual again, at the level to which the reading before jumped."""


def judge(c: Columns, t: Floats, v: Floats, prediction: Floats, tuning: Tuning) -> Judgement:
    """Compares the readings ``v`` at ``t`` with ``prediction``; changes nothing."""
    spread = np.maximum(c.spread, np.maximum(tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
    best = np.where(np.isnan(prediction), np.inf, c.spread).argmin(axis=0)
    every = np.arange(v.size)
    expected, usual = prediction[best, every], spread[best, every]
    score = ratio(np.abs(v - expected), usual)
    young = 1.0 + tuning.young / np.maximum(c.age, 1.0)
    limit = young * np.maximum(tuning.threshold, tuning.tail_factor * c.tail[JUMP])
    margin = tuning.range_margin * (c.high - c.low)
    beyond = ((v > c.high + margin) | (v < c.low - margin)) & (score > young * tuning.threshold)
    # Half the limit keeps a run going: the levels already move towards it, and its readings are as noisy as others.
    follows = (score > 0.5 * limit) & (c.run > 0) & (np.sign(v - expected) == c.run_side)
    unusual = (score > limit) | beyond | follows
    return Judgement(
        prediction=prediction,
        best=best,
        expected=expected,
        usual=usual,
        score=score,
        low=expected - limit * usual,
        high=expected + limit * usual,
        margin=margin,
        after_gap=(t - c.last_at > tuning.gap * c.interval) & (c.count >= tuning.warm_up),
        beyond=beyond,
        follows=follows,
        unusual=unusual,
        # The last value speaks for a series that wanders: what it says again after a jump is the level from now on.
        believed=(c.run > 0) & ~unusual & (best == LAST),
    )


@dataclass(frozen=True)
class Shift:
    """How far the fast level has left the slow one."""

    apart: Floats
    score: Floats
    reach: Floats
    """The distance that would be unusual."""
    rested: Mask
    """Whether the slow level has been at rest for long enough to compare with."""
    unusual: Mask


def judge_shift(c: Columns, v: Floats, tuning: Tuning) -> Shift:
    """Compares the levels after they have taken in ``v``; changes nothing."""
    # A trend holds the levels apart too: only what is new about the distance counts.
    apart = c.level[FAST] - c.level[SLOW] - c.trend
    usual = np.maximum(c.shift_spread, tuning.shift_floor * np.min(c.spread, axis=0))
    usual = np.maximum(usual, np.maximum(tuning.step_floor * tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
    young = 1.0 + tuning.young_shift / np.maximum(c.age, 1.0)
    limit = young * np.maximum(tuning.threshold, tuning.tail_factor * c.tail[SHIFT])
    score = ratio(np.abs(apart), usual)
    rested = c.age >= tuning.shift_age
    return Shift(apart, score, limit * usual, rested, rested & (score > limit))


def ratio(size: Floats, usual: Floats) -> Floats:
    """``size / usual`` up to the limit of scores; 0 / 0 is 0."""
    with np.errstate(divide="ignore"):
        return np.where(size > 0, np.minimum(size / usual, SCORE_MAX), 0.0)
