"""Novelty: by how much a series leaves everything that it has shown so far, at four scales side by side.

The scales are the reading itself, two running means of it, and the running mean of its distance from the daily profile.
A mean has a narrower range than single readings, so a small change that lasts leaves it; and an hour that is
usual in itself, at the wrong time of day, leaves the last. Nothing here knows a distribution, a unit or an interval.
"""

import numpy as np

from telltale_detector.state import Columns, Floats
from telltale_detector.tuning import Tuning

VALUE = 0
"""The scale of single readings."""
SEASON_ERROR = 3
"""The scale that needs a daily profile."""


def believed(c: Columns, v: Floats, tuning: Tuning) -> Floats:
    """``v``, but no further outside of all that was seen than that is wide: so one wild reading deafens nobody."""
    floor, ceiling = c.floor[VALUE], c.ceiling[VALUE]
    margin = np.where((c.shown[VALUE] >= tuning.warm_up) & (ceiling > floor), ceiling - floor, np.inf)
    return np.clip(v, floor - margin, ceiling + margin)


def measure(c: Columns, v: Floats, daily: Floats, tuning: Tuning) -> Floats:
    """Takes in ``v`` and says how new it is.

    Args:
        c: what the series remember; moves.
        v: a reading of each, as far as it is believed.
        daily: what the daily profile expects; NaN where it is not known.
        tuning: the constants.

    Returns:
        0 to 1: the part that lies outside, of a range widened to hold it; 0 for what is no newer than the event
        that still lasts.
    """
    scale = np.array([v, v, v, v - daily])
    known = ~np.isnan(scale)
    scale = np.where(known, scale, 0.0)
    weight = np.array(tuning.record_weights)[:, None]
    c.mean += np.where(known, np.where(c.shown > 0, weight, 1.0) * (scale - c.mean), 0.0)
    first = known & (c.shown == 0)
    c.floor[first] = c.ceiling[first] = c.mean[first]
    floor, ceiling = np.minimum(c.floor, c.mean), np.maximum(c.ceiling, c.mean)
    outside = np.where(known, (c.floor - floor) + (ceiling - c.ceiling), 0.0)
    width = ceiling - floor
    told = known & (c.shown >= tuning.warm_up) & (outside > 0)
    part = np.where(told, outside / np.where(told, width, 1.0), 0.0)
    part[SEASON_ERROR] *= tuning.record_season
    c.floor[:], c.ceiling[:] = np.where(known, floor, c.floor), np.where(known, ceiling, c.ceiling)
    c.shown += known
    new = part.max(axis=0)
    lasting = tuning.record_decay * c.novelty
    c.novelty[:] = np.maximum(new, lasting)
    return np.where(new > lasting, new, 0.0)
