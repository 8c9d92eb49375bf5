"""Novelty: by how much a series leaves everything that it has shown so far, at three scales side by side.

The scales are the reading itself, a running mean of it, and the running mean of its distance from the daily profile.
A mean has a narrower range than single readings, so a small change that lasts leaves it; and an hour that is
usual in itself, at the wrong time of day, leaves the last. Nothing here knows a distribution, a unit or an interval.

Every young series sets records: noise does so 2 ln(n) times in n readings. A record counts where it is also unlikely:
far from the expected value, or by more than the extremes of Gaussian noise creep, which exceed themselves by their
width / (4 ln n) on average and by y times as much with the probability e^-y (Fisher, Tippett and Gnedenko).
"""

from dataclasses import dataclass

import numpy as np

from telltale_shared.detection.judging import Judgement, ratio
from telltale_shared.detection.state import MEAN, SEASON_ERROR, VALUE, Columns, Floats
from telltale_shared.detection.tuning import Tuning


@dataclass(frozen=True)
class News:
    """What is new about one round of readings."""

    part: Floats
    """(3, n): the part of all that was seen, this reading included, that lies outside of all that was seen before; 0
    for what is no record, or not an unlikely one."""
    floor: Floats
    """(3, n): the least that each scale had been before."""
    ceiling: Floats
    """(3, n): the most."""


def believed(c: Columns, v: Floats, tuning: Tuning) -> Floats:
    """``v``, but no further outside of all that was seen than that is wide: so one wild reading deafens nobody."""
    floor, ceiling = c.floor[VALUE], c.ceiling[VALUE]
    margin = np.where((c.shown[VALUE] >= tuning.warm_up) & (ceiling > floor), ceiling - floor, np.inf)
    return np.clip(v, floor - margin, ceiling + margin)


def measure(c: Columns, v: Floats, daily: Floats, judged: Judgement, tuning: Tuning) -> News:
    """Takes in ``v`` and says how new it is.

    Args:
        c: what the series remember; moves.
        v: a reading of each, as far as it is believed.
        daily: what the daily profile expects; NaN where it is not known.
        judged: how far the readings are from what was expected.
        tuning: the constants.
    """
    scale = np.array([v, v, v - daily])
    known = ~np.isnan(scale)
    scale = np.where(known, scale, 0.0)
    weight = np.array([1.0, tuning.fast, tuning.fast])[:, None]
    c.mean += np.where(known, np.where(c.shown > 0, weight, 1.0) * (scale - c.mean), 0.0)
    # Where a series goes on after a gap is no surprise: its mean starts there, and its range takes it in.
    goes_on = judged.after_gap & judged.notable & ~judged.beyond
    c.mean[MEAN, goes_on] = v[goes_on]
    first = known & (c.shown == 0)
    c.floor[first] = c.ceiling[first] = c.mean[first]
    floor, ceiling = c.floor.copy(), c.ceiling.copy()
    np.copyto(c.floor, np.minimum(floor, c.mean), where=known)
    np.copyto(c.ceiling, np.maximum(ceiling, c.mean), where=known)
    outside = np.where(goes_on, 0.0, (floor - c.floor) + (c.ceiling - ceiling))
    told = (c.shown >= tuning.warm_up) & (outside > 0)
    c.shown += known
    if not told.any():
        return News(np.zeros_like(outside), floor, ceiling)
    far = np.maximum(judged.score, ratio(outside, weight * judged.usual)) >= tuning.record_spreads
    # ln(n) + outside / (width / (4 ln n)) >= odds, without dividing by a width of 0.
    log = np.log(np.maximum(c.shown, 2.0))
    unlikely = 4.0 * log * outside >= (tuning.record_odds - log) * (ceiling - floor)
    part = np.where(told & (far | unlikely), outside / np.where(told, c.ceiling - c.floor, 1.0), 0.0)
    part[SEASON_ERROR] *= tuning.record_season
    return News(part, floor, ceiling)
