"""Rarity: how often a series has shown a distance as large as this one, so that a habit is no news.

Events are counted by the largest distance in them, in half octaves. It needs no shape of the distribution, holds
for heavy tails, and says in words what a person understands: once in so many readings.
"""

import numpy as np

from telltale_shared.detection.state import JUMP, SIZES, Columns, Floats
from telltale_shared.detection.tuning import Tuning

STEP = 2.0
"""Steps an octave."""


def measure(c: Columns, distance: Floats, tuning: Tuning) -> Floats:
    """Takes in ``distance`` and says how rare it is.

    Args:
        c: what the series remember; moves.
        distance: (3, n), in usual spreads.
        tuning: the constants.

    Returns:
        (3, n): a distance as large comes once in so many readings; 0 below what is notable.
    """
    warm = c.count >= tuning.warm_up
    notable = (distance >= tuning.notable) & warm
    c.calm[:] = np.where(notable, 0.0, c.calm + 1.0)
    over = (c.peak > 0) & (c.calm >= tuning.refractory)
    if over.any():
        of, series = np.nonzero(over)
        c.sizes[of * SIZES + _size(c.peak[over], tuning), series] += 1.0
        c.peak[over] = 0.0
    c.seen += warm
    old = c.seen >= tuning.history
    if old.any():
        c.seen[old] /= 2.0
        c.sizes[:, old] /= 2.0
    once_in = np.zeros_like(distance)
    if notable.any():
        of, series = np.nonzero(notable)
        counts = c.sizes.reshape(-1, SIZES, c.seen.size)[of, :, series]
        # One size smaller counts too, or the next larger one of many would always be news.
        as_large = np.arange(SIZES) >= _size(distance[notable], tuning)[:, None] - 1
        # Shifts and unrest take long to learn: early ones are nothing but that, so only jumps have credit.
        readings = c.seen[series] + np.where(of == JUMP, tuning.credit, 0.0)
        once_in[notable] = readings / (1.0 + (counts * as_large).sum(axis=1))
        c.peak[:] = np.where(notable, np.maximum(c.peak, distance), c.peak)
    return once_in


def worth(distance: Floats, once_in: Floats, tuning: Tuning) -> Floats:
    """``distance`` as a score: the less, the more often one as large comes, 0 where it is common."""
    with np.errstate(divide="ignore"):
        allowed = tuning.threshold * (1.0 + np.log10(once_in / tuning.rare))
    score: Floats = np.maximum(np.minimum(distance, allowed), 0.0)
    return score


def _size(distance: Floats, tuning: Tuning) -> np.typing.NDArray[np.int64]:
    steps = STEP * np.log2(distance / tuning.notable)
    return np.minimum(steps.astype(np.int64), SIZES - 1)
