"""Anomalies made from what a series remembers: figures and words together."""

from telltale_detector import explain
from telltale_detector.explain import Anomaly, Kind
from telltale_detector.judging import Judgement, Shift
from telltale_detector.state import FAST, SLOW, Columns, Series
from telltale_detector.tuning import SCORE_MAX, Tuning


def held(series: Series, c: Columns, i: int, *, stayed: bool) -> Anomaly:
    """The outlier that was held back: a level shift if the series ``stayed`` there, else a spike."""
    at, value, score, low, high = (
        float(column[i]) for column in (c.held_at, c.held_value, c.held_score, c.held_low, c.held_high)
    )
    if stayed:
        after = float(c.run_sum[i] / max(c.run[i], 1.0))
        text = explain.jump(series.unit, low / 2 + high / 2, after, at, score, SCORE_MAX)
        return Anomaly(series, int(at), value, score, low, high, Kind.LEVEL_SHIFT, text)
    text = explain.spike(series.unit, value, low, high, score, SCORE_MAX)
    return Anomaly(series, int(at), value, score, low, high, Kind.SPIKE, text)


def drift(series: Series, c: Columns, i: int, at: float, value: float, shift: Shift) -> Anomaly:
    """A level that moved by less than single readings vary."""
    before, after = float(c.level[SLOW, i]), float(c.level[FAST, i])
    score, reach = float(shift.score[i]), float(shift.reach[i])
    text = explain.drift(series.unit, before, after, score, SCORE_MAX)
    return Anomaly(series, int(at), float(value), score, before - reach, before + reach, Kind.LEVEL_SHIFT, text)


def flatline(series: Series, c: Columns, i: int, at: float, value: float, judged: Judgement, tuning: Tuning) -> Anomaly:
    """A series that stands still; its score is how much too long, in thresholds."""
    equal = float(c.same[i] + 1.0)
    score = min(SCORE_MAX, tuning.threshold * equal / float(c.same_limit[i]))
    text = explain.flatline(series.unit, float(value), equal, float(c.same_since[i]), float(at))
    low, high = float(judged.low[i]), float(judged.high[i])
    return Anomaly(series, int(at), float(value), score, low, high, Kind.FLATLINE, text)


def out_of_range(series: Series, c: Columns, i: int, at: float, value: float, judged: Judgement) -> Anomaly:
    """A reading clearly beyond everything seen."""
    text = explain.out_of_range(series.unit, float(value), float(c.low[i]), float(c.high[i]))
    score, low, high = float(judged.score[i]), float(judged.low[i]), float(judged.high[i])
    return Anomaly(series, int(at), float(value), score, low, high, Kind.OUT_OF_RANGE, text)
