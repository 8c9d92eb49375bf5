"""Whether a figure that was sampled over time grows. Pure."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

BLOCKS = 12
"""Stretches of time of which only the median counts: neighbours are alike, and would feign certainty; and what a busy
moment of the machine adds to one sample says nothing of growth."""
T_95 = 2.228
"""Student's t for a two-sided 95 % interval with BLOCKS - 2 degrees of freedom."""


@dataclass(frozen=True)
class Slope:
    """A straight line through samples."""

    per_hour: float
    noise: float
    """Half of the 95 % interval of ``per_hour``."""
    mean: float

    def is_flat(self, tolerated: float) -> bool:
        """Whether it is zero as far as one can see, or less than the share ``tolerated`` of the mean in an hour."""
        return abs(self.per_hour) <= max(self.noise, tolerated * abs(self.mean))


def slope(samples: Sequence[tuple[float, float]]) -> Slope:
    """The least-squares line through the block medians of ``samples``: (seconds, figure), in order of time.

    Raises:
        ValueError: there are fewer samples than blocks.
    """
    if len(samples) < BLOCKS:
        raise ValueError(f"{len(samples)} samples are too few for {BLOCKS} blocks")
    edges = [round(block * len(samples) / BLOCKS) for block in range(BLOCKS + 1)]
    blocks = [samples[begin:end] for begin, end in itertools.pairwise(edges)]
    hours = [statistics.fmean(second for second, _ in block) / 3_600 for block in blocks]
    figures = [statistics.median(figure for _, figure in block) for block in blocks]
    per_hour, intercept = statistics.linear_regression(hours, figures)
    squares = sum((y - intercept - per_hour * x) ** 2 for x, y in zip(hours, figures, strict=True))
    spread = sum((x - statistics.fmean(hours)) ** 2 for x in hours)
    return Slope(per_hour, T_95 * math.sqrt(squares / (BLOCKS - 2) / spread), statistics.fmean(figures))
