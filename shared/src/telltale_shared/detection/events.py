"""Anomalies made from what a series remembers: figures and words together."""

from dataclasses import dataclass

from telltale_shared.detection import explain
from telltale_shared.detection.evidence import Evidence
from telltale_shared.detection.explain import Anomaly
from telltale_shared.detection.judging import Judgement, Shift, plausible
from telltale_shared.detection.novelty import News
from telltale_shared.detection.state import (
    FAST,
    KINDS,
    LEVEL_SHIFT,
    MEAN,
    OFF_SEASON,
    OUT_OF_RANGE,
    SEASON_ERROR,
    SLOW,
    SPIKE,
    VALUE,
    VARIANCE,
    Columns,
    Floats,
    Kind,
    Series,
)
from telltale_shared.detection.tuning import TUNING


@dataclass(frozen=True)
class Seen:
    """What one round of readings looks like, for the words about it."""

    judged: Judgement
    shift: Shift
    news: News
    daily: Floats
    unrest: Floats
    """By how many usual spreads the noise has grown."""


def held(series: Series, c: Columns, i: int, *, stayed: bool) -> Anomaly | None:
    """The outlier that was held back: a level shift if the series ``stayed`` there, else a spike.

    None where it is not worth an alarm as what it turned out to be.
    """
    at, value, score, high, once_in = (
        float(column[i]) for column in (c.held_at, c.held_value, c.held_score, c.held_high, c.held_once)
    )
    if score < c.limit[LEVEL_SHIFT if stayed else SPIKE, i]:
        return None
    low = float(plausible(c.held_low[i], c.held_high[i], c.floor[VALUE, i]))
    if stayed:
        after = float(c.run_sum[i] / max(c.run[i], 1.0))
        text = explain.jump(series.unit, after, low, high, at, once_in)
        return Anomaly(series, int(at), value, score, low, high, Kind.LEVEL_SHIFT, text)
    text = explain.spike(series.unit, value, low, high, at, once_in)
    return Anomaly(series, int(at), value, score, low, high, Kind.SPIKE, text)


def anomaly(
    series: Series, c: Columns, i: int, t: Floats, v: Floats, kind: int, evidence: Evidence, seen: Seen
) -> Anomaly:
    """What one reading gives away, of series ``i`` of the round."""
    at, value, unit = float(t[i]), float(v[i]), series.unit
    once_in = float(evidence.once_in[kind, i])
    least = seen.news.floor[VALUE, i]
    low, high = float(plausible(seen.judged.low[i], seen.judged.high[i], least)), float(seen.judged.high[i])
    if kind == OUT_OF_RANGE:
        low, high = float(seen.news.floor[VALUE, i]), float(seen.news.ceiling[VALUE, i])
        text = explain.out_of_range(unit, value, low, high, at, once_in)
    elif kind == LEVEL_SHIFT:
        before, reach = c.level[SLOW, i], seen.shift.reach[i]
        low, high = float(plausible(before - reach, before + reach, least)), float(before + reach)
        mean = float(c.level[FAST, i])
        if seen.news.part[MEAN, i] > 0:
            low, high = float(seen.news.floor[MEAN, i]), float(seen.news.ceiling[MEAN, i])
            mean = float(c.mean[MEAN, i])
        text = explain.drift(unit, mean, low, high, at, once_in)
    elif kind == OFF_SEASON:
        usual = float(seen.daily[i])
        low, high = usual + float(seen.news.floor[SEASON_ERROR, i]), usual + float(seen.news.ceiling[SEASON_ERROR, i])
        text = explain.off_season(unit, usual + float(c.mean[SEASON_ERROR, i]), low, high, at, once_in)
    elif kind == VARIANCE:
        times = 1.0 + float(seen.unrest[i]) * TUNING.unrest_spread
        text = explain.variance(unit, times, low, high, at, once_in)
    else:
        equal = float(c.same[i] + 1.0)
        text = explain.flatline(unit, value, equal, float(c.same_since[i]), at, float(c.same_limit[i]))
    return Anomaly(series, int(at), value, float(evidence.score[kind, i]), low, high, KINDS[kind], text)
