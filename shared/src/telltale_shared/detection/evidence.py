"""The one judgement: everything that speaks for an anomaly of each kind, on one scale of scores.

A score is a distance in usual spreads, or what is worth as much. Two things speak:

* **a rare distance** of the reading, of the level or of the noise, worth no more than its rarity allows;
* **a record**, worth ``threshold`` where it leaves all that was seen by the part ``record``.

A flatline is worth ``threshold`` at the length at which it is told. A score is news while it is above the fading score
of what was told last; news from its kind's limit on opens an event, and an event gives one alarm.
"""

from dataclasses import dataclass

import numpy as np

from telltale_shared.detection.novelty import News
from telltale_shared.detection.state import (
    FLATLINE,
    JUMP,
    LEVEL_SHIFT,
    MEAN,
    OFF_SEASON,
    OUT_OF_RANGE,
    SEASON_ERROR,
    SHIFT,
    SPIKE,
    UNREST,
    VALUE,
    VARIANCE,
    Columns,
    Floats,
    Integers,
    Mask,
)
from telltale_shared.detection.tuning import SCORE_MAX, Tuning


@dataclass(frozen=True)
class Evidence:
    """What speaks for an anomaly in one round of readings."""

    score: Floats
    """(6, n): for each kind, in the order of ``Columns.limit``. A jump counts as a spike until it is known better."""
    once_in: Floats
    """(6, n): one as unusual comes once in so many readings, or is the first in so many."""
    worth: Floats
    """The largest score of each series that is news; 0 where nothing is."""
    kind: Integers
    """The kind that exceeds its limit most."""
    alarms: Mask
    """Where an event begins."""


def weigh(c: Columns, rare: Floats, once_in: Floats, news: News, beyond: Mask, stuck: Mask, tuning: Tuning) -> Evidence:
    """Puts everything on one scale; moves what was told last.

    Args:
        c: what the series remember.
        rare: (3, n): what the distances of the reading, of the level, and of the noise are worth.
        once_in: (3, n): how rare each of them is.
        news: what is new.
        beyond: where the reading is out of range rather than a spike.
        stuck: where a flatline lasts.
        tuning: the constants.
    """
    # The root, because a record can be no more than half of what was seen: so it stays comparable with distances.
    record = tuning.threshold * np.sqrt(news.part / tuning.record)
    score = np.zeros_like(c.limit)
    once = np.zeros_like(c.limit)
    for kind, of, scale in ((SPIKE, JUMP, VALUE), (LEVEL_SHIFT, SHIFT, MEAN)):
        score[kind] = np.maximum(rare[of], record[scale])
        once[kind] = np.where(record[scale] > rare[of], c.shown[scale], once_in[of])
    score[OUT_OF_RANGE], once[OUT_OF_RANGE] = np.where(beyond, score[SPIKE], 0.0), once[SPIKE]
    score[SPIKE] = np.where(beyond, 0.0, score[SPIKE])
    score[VARIANCE], once[VARIANCE] = rare[UNREST], once_in[UNREST]
    score[OFF_SEASON], once[OFF_SEASON] = record[SEASON_ERROR], c.shown[SEASON_ERROR]
    score[FLATLINE] = np.where(stuck, tuning.threshold * (c.same + 1.0) / c.same_limit, 0.0)
    once[FLATLINE] = c.count
    np.minimum(score, SCORE_MAX, out=score)
    score *= c.count >= tuning.warm_up

    most = score.max(axis=0)
    fading = tuning.fade * c.lasting
    worth = np.where(most > fading, most, 0.0)
    c.lasting[:] = np.maximum(most, fading)
    limit = c.limit.copy()
    # Whether a jump is a spike or a new level is not known yet: that decides, once it is.
    limit[SPIKE] = np.minimum(limit[SPIKE], limit[LEVEL_SHIFT])
    excess = score / limit
    kind = excess.argmax(axis=0)
    alarms = (excess.max(axis=0) >= 1.0) & (worth > 0) & (c.open == 0)
    return Evidence(score, once, worth, kind, alarms)
