"""How the memory of a series moves with each of its readings; all series of a round side by side."""

import numpy as np

from telltale_shared.detection.judging import SD_OF_MEAN_ERROR
from telltale_shared.detection.state import FAST, LAST, SEASON, SLOW, Columns, Floats, Mask
from telltale_shared.detection.tuning import Tuning


def begin(c: Columns, new: Mask, t: Floats, v: Floats, tuning: Tuning) -> None:
    """The state of a series at its first reading."""
    c.last_at[new] = t[new]
    c.level[LAST, new] = c.level[FAST, new] = c.level[SLOW, new] = v[new]
    c.spread[SEASON, new] = np.inf
    c.same_since[new] = t[new]
    c.same_limit[new] = tuning.stuck
    c.interval[new] = 0.0


def stand_still(c: Columns, t: Floats, v: Floats, tuning: Tuning) -> Mask:
    """Follows intervals, steps and runs of equal readings. Returns where a flatline lasts."""
    dt = t - c.last_at
    usual = c.interval + tuning.fast * (np.minimum(dt, 5.0 * c.interval) - c.interval)
    c.interval[:] = np.where(c.count <= 1, dt, usual)
    change = np.abs(v - c.level[LAST])
    moved = change > 0
    was_stuck = c.same + 1.0 >= c.same_limit
    runs = moved & (c.same > 0)
    told = runs & was_stuck & (c.moves >= tuning.stuck_moves)
    c.same_limit[told] *= tuning.stuck_patience
    quiet = runs & ~told
    c.same_limit[quiet] = np.maximum(c.same_limit[quiet], tuning.stuck_factor * (c.same[quiet] + 1.0))
    c.same[:] = np.where(moved, 0.0, c.same + (c.count > 0))
    c.same_since[:] = np.where(moved, t, c.same_since)
    c.moves += moved
    size = np.where(c.step > 0, np.minimum(change, tuning.winsor * c.step), change)
    weight = np.maximum(tuning.spread, 1.0 / np.maximum(c.moves, 1.0))
    c.step += np.where(moved, weight * (size - c.step), 0.0)
    stuck: Mask = (c.same + 1.0 >= c.same_limit) & (c.moves >= tuning.stuck_moves)
    return stuck


def learn_levels(c: Columns, v: Floats, prediction: Floats, frozen: Mask, tuning: Tuning) -> None:
    """Moves levels and spreads towards ``v``, an outlier by no more than ``winsor`` spreads."""
    error = v - prediction
    size = np.abs(error)
    known = ~np.isnan(error[SEASON])
    first = known & np.isinf(c.spread[SEASON])
    # A season starts as a poor predictor and has to prove itself.
    c.spread[SEASON, first] = 2.0 * c.spread[SLOW, first]
    limited = (c.count >= tuning.learn) & (c.spread > 0)
    cap = np.where(limited, tuning.winsor * c.spread, np.inf)
    size = np.minimum(size, cap)
    moved = np.where(np.isnan(error), 0.0, np.clip(error, -cap, cap))
    running = 1.0 / (c.age + 1.0)
    slow = np.maximum(tuning.slow, running)
    c.level[FAST] += np.maximum(tuning.fast, running) * moved[FAST]
    c.level[SLOW] += slow * moved[SLOW]
    c.level[SEASON] += slow * moved[SEASON]
    c.level[LAST] = v
    weight = np.where(frozen, 0.0, np.maximum(tuning.spread, 1.0 / np.maximum(c.count, 1.0)))
    learned = c.spread + weight * (SD_OF_MEAN_ERROR * size - c.spread)
    c.spread[:SEASON] = learned[:SEASON]
    c.spread[SEASON, known] = learned[SEASON, known]


def learn_shift(c: Columns, apart: Floats, calm: Mask, tuning: Tuning) -> None:
    """Takes in how far ``apart`` the levels are; during an event without limit, so that it soon is no news."""
    cap = np.where(calm & (c.shift_spread > 0), tuning.winsor * c.shift_spread, np.inf)
    c.trend += np.maximum(tuning.slow, 2.0 / (c.age + 2.0)) * np.clip(apart, -cap, cap)
    weight = np.maximum(tuning.shift_spread, 1.0 / np.maximum(c.count, 1.0))
    c.shift_spread += weight * (SD_OF_MEAN_ERROR * np.minimum(np.abs(apart), cap) - c.shift_spread)


def set_anew(c: Columns, where: Mask, level: Floats, prediction: Floats) -> None:
    """The levels start again from ``level``: the series has moved, or comes back from a gap."""
    c.level[FAST, where] = c.level[SLOW, where] = level[where]
    seasonal = where & ~np.isnan(prediction[SEASON])
    c.level[SEASON, seasonal] += level[seasonal] - prediction[SEASON, seasonal]
    c.age[where] = np.maximum(c.run[where], 1.0)
    c.run[where] = 0.0
