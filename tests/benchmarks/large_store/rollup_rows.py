"""What the writer would have made of the readings: rollups and sketches, computed from the same arrays."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from telltale_shared.store.sketches import ENTRY, codes
from telltale_shared.store.tiers import Tier

from .readings import SECOND, Block, Floats, Integers

_CODE_OFFSET = 1 << 15


@dataclass(frozen=True)
class RollupRows:
    """The buckets of one tier and one block."""

    bucket: Integers
    """µs since 1970-01-01 UTC."""
    count: Integers
    total: Floats
    squares: Floats
    minimum: Floats
    maximum: Floats


def rollups_of(block: Block, tier: Tier, origin: float) -> RollupRows:
    """The rollups of ``block``, whose series has the first value ``origin``."""
    bucket = block.observed_at - block.observed_at % (tier.seconds * SECOND)
    starts = np.flatnonzero(np.append(True, np.diff(bucket) != 0))
    return RollupRows(
        bucket[starts],
        np.diff(np.append(starts, len(bucket))),
        np.add.reduceat(block.value, starts),
        np.add.reduceat((block.value - origin) ** 2, starts),
        np.minimum.reduceat(block.value, starts),
        np.maximum.reduceat(block.value, starts),
    )


def sketches_of(block: Block, tier: Tier) -> tuple[Integers, list[str]]:
    """The buckets of ``block`` that have a sketch (all that have readings), and its bins in hexadecimal digits."""
    width = tier.seconds * SECOND
    # A code has 16 bits: bucket and code together are one number, so that one sort counts the bins of all buckets.
    keys = (block.observed_at // width << 16) + (codes(block.value).astype(np.int64) + _CODE_OFFSET)
    key, count = np.unique(keys, return_counts=True)
    bins = np.empty(len(key), ENTRY)
    bins["code"] = (key & 0xFFFF) - _CODE_OFFSET
    bins["count"] = count
    bucket = key >> 16
    starts = np.flatnonzero(np.append(True, np.diff(bucket) != 0))
    digits = bins.tobytes().hex()
    bounds = (np.append(starts, len(bins)) * ENTRY.itemsize * 2).tolist()
    return bucket[starts] * width, [digits[start:end] for start, end in pairwise(bounds)]
