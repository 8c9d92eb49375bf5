"""Randomness as a pure function of what it is for: the same arguments give the same number, in any process."""

import math
from functools import lru_cache

_MASK = (1 << 64) - 1


def mixed(*parts: int) -> int:
    """64 well mixed bits of ``parts`` (the finaliser of SplitMix64, Steele et al. 2014, applied per part)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def uniform(*parts: int) -> float:
    """A number in [0, 1), evenly distributed over different ``parts``."""
    return (mixed(*parts) >> 11) * 2.0**-53


def normal(*parts: int) -> float:
    """A standard normal number (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(*parts, 0)))
    return radius * math.cos(2.0 * math.pi * uniform(*parts, 1))


_knot = lru_cache(maxsize=4_096)(normal)


def wander(position: float, *parts: int) -> float:
    """A smooth curve through standard normal knots at whole ``position``, of about unit size."""
    knot = math.floor(position)
    fraction = position - knot
    weight = fraction * fraction * (3.0 - 2.0 * fraction)
    return (1.0 - weight) * _knot(*parts, knot) + weight * _knot(*parts, knot + 1)
