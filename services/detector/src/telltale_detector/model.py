"""The model: what each series is expected to do next, and how far a reading is from that.

Pure: no I/O, no clock of its own, no randomness. It learns online and looks at no reading before it arrives.

Four predictors run side by side for every series: its last value, a fast and a slow level, and a daily profile once a
day has been seen. Each has a robust spread of its errors; the one with the smallest spread speaks. Two scores follow:

* **jump**: how many spreads the reading lies from the prediction. It opens an event, which is a *spike* when the series
  comes back within a few readings and a *level shift* when it stays;
* **shift**: how far the fast level lies from the slow one, which finds level shifts smaller than single readings vary.

Both thresholds follow the learned tail of the series, so that one that jumps by nature is not news. Besides: *flatline*
and *out of range*. One event gives one alarm.

Readings of one series are taken in the order in which they arrive, all series side by side in numpy; the result does
not depend on how the readings are cut into batches.
"""

from dataclasses import dataclass

import numpy as np

from telltale_detector import explain, season
from telltale_detector.explain import Anomaly, Kind
from telltale_detector.state import FAST, JUMP, LAST, SEASON, SHIFT, SLOW, Columns, Floats, Integers, Mask, Table
from telltale_detector.tuning import SCORE_MAX, TUNING, Tuning

DETECTOR = "telltale"
VERSION = "1"
"""Raised whenever the same readings may give other anomalies."""

_SD_OF_MEAN_ERROR = 1.2533
"""Standard deviation of Gaussian noise over its mean absolute value: sqrt(pi / 2)."""
_ROUNDING = 1e-12
"""Differences below this part of a value are rounding, not movement."""


@dataclass(frozen=True)
class Readings:
    """Readings in the order of arrival, in columns of equal length."""

    rows: Integers
    """Number of the series in the model's table."""
    observed_at: Integers
    """µs since 1970-01-01 UTC."""
    value: Floats
    """Finite numbers."""


@dataclass(frozen=True)
class Scores:
    """What the model holds of each of the readings, and the events that it found."""

    score: Floats
    """Robust standard deviations from the expected value, 0 to 1,000; NaN for a reading that comes late."""
    expected_low: Floats
    expected_high: Floats
    anomalies: list[Anomaly]


class Model:
    """Scores readings and remembers, per series, what is needed to score the next.

    Args:
        table: what an earlier model remembered; a new one starts with none.
        tuning: the constants.
    """

    def __init__(self, table: Table | None = None, tuning: Tuning = TUNING) -> None:
        self.table = table if table is not None else Table()
        self.tuning = tuning

    def score(self, readings: Readings) -> Scores:
        """Judges ``readings`` and learns from them."""
        size = readings.rows.size
        scores = Scores(np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan), [])
        observed_at = readings.observed_at.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            for places in _rounds(readings.rows):
                self._round(places, readings.rows[places], observed_at[places], readings.value[places], scores)
        return scores

    def flush(self, now: int) -> list[Anomaly]:
        """Reports spikes whose series has said nothing since, so that a sensor that jumps and dies is not lost.

        Args:
            now: µs since 1970-01-01 UTC.
        """
        size = len(self.table)
        columns = Columns(self.table.block[:, :size])
        silent = (columns.held_at > 0) & (now - columns.last_at > self.tuning.gap * columns.interval)
        rows = np.flatnonzero(silent)
        found = [self._held(row, columns, int(row), stayed=False) for row in rows]
        columns.held_at[rows] = 0.0
        return found

    def _round(self, places: Integers, rows: Integers, t: Floats, v: Floats, scores: Scores) -> None:
        """Judges at most one reading of each series: ``rows`` are distinct."""
        c = self.table.take(rows)
        new = c.count == 0
        usable = new | (t > c.last_at)
        if not usable.all():
            places, rows, t, v, new = places[usable], rows[usable], t[usable], v[usable], new[usable]
            c = Columns(np.ascontiguousarray(c.block[:, usable]))
        if not rows.size:
            return
        if new.any():
            _begin(c, new, t, v, self.tuning)

        tuning = self.tuning
        after_gap = (t - c.last_at > tuning.gap * c.interval) & (c.count >= tuning.warm_up)
        prediction = c.level.copy()
        prediction[SEASON] += season.expected(self.table.profile, rows, t)
        spread = np.maximum(c.spread, np.maximum(tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
        best = np.where(np.isnan(prediction), np.inf, c.spread).argmin(axis=0)
        every = np.arange(rows.size)
        expected, usual = prediction[best, every], spread[best, every]

        away = v - expected
        z = _ratio(np.abs(away), usual)
        young = 1.0 + tuning.young / np.maximum(c.age, 1.0)
        limit = young * np.maximum(tuning.threshold, tuning.tail_factor * c.tail[JUMP])
        low, high = expected - limit * usual, expected + limit * usual
        scores.score[places], scores.expected_low[places], scores.expected_high[places] = z, low, high

        margin = tuning.range_margin * (c.high - c.low)
        beyond = ((v > c.high + margin) | (v < c.low - margin)) & (z > young * tuning.threshold)
        side = np.sign(away)
        # Half the limit keeps a run going: the levels already move towards it, and its readings are as noisy as others.
        follows = (z > 0.5 * limit) & (c.run > 0) & (side == c.run_side)
        unusual = (z > limit) | beyond | follows
        # The last value speaks for a series that wanders: what it says again after a jump is the level from now on.
        believed = (c.run > 0) & ~unusual & (best == LAST)
        c.run[:] = np.where(unusual, np.where(follows, c.run + 1.0, 1.0), 0.0)
        c.run_sum[:] = np.where(follows, c.run_sum, 0.0) + v
        c.run_side[:] = side
        stays = c.run >= tuning.hold
        stuck = _stand_still(c, t, v, tuning)

        armed = (c.count >= tuning.warm_up) & (c.open == 0)
        jumps = armed & unusual & ~(after_gap & ~beyond)
        flat = armed & stuck & ~jumps
        found = scores.anomalies
        for i in np.flatnonzero((c.held_at > 0) & (stays | ~follows)).tolist():
            # A series that wanders does not come back either, though its last value at once expects the new level.
            came_back = abs(v[i] - c.held_low[i] / 2 - c.held_high[i] / 2) < abs(v[i] - c.held_value[i])
            found.append(self._held(rows[i], c, i, stayed=bool(stays[i] or not came_back)))
            c.held_at[i] = 0.0
        if jumps.any():
            for i in np.flatnonzero(jumps & beyond).tolist():
                found.append(self._out_of_range(rows[i], c, i, t[i], v[i], z[i], low[i], high[i]))
            _hold(c, jumps & ~beyond, (t, v, z, low, high))
        for i in np.flatnonzero(flat).tolist():
            found.append(self._flatline(rows[i], c, i, t[i], v[i], low[i], high[i]))

        frozen = stuck & (c.count >= tuning.warm_up)
        _learn_tail(c.tail[JUMP], z, (c.open == 0) & ~frozen, jumps, tuning.tail_step, tuning)
        c.open[jumps | flat] = 1.0
        self._learn_levels(c, v, prediction, c.count >= tuning.learn, frozen)
        anew = stays | believed | (after_gap & unusual)
        if anew.any():
            _set_anew(c, anew, np.where(stays, c.run_sum / np.maximum(c.run, 1.0), v), prediction, v)
        shifted = self._shift(c, armed & ~jumps & ~flat & ~frozen, places, rows, t, v, scores)
        seasonal = expected + np.clip(away, -tuning.winsor * usual, tuning.winsor * usual)
        season.learn(self.table.profile, rows, c, t, np.where(stays, v, seasonal), tuning.season)

        c.quiet[:] = np.where(unusual | stuck | shifted, 0.0, c.quiet + 1.0)
        c.open[c.quiet >= tuning.refractory] = 0.0
        _widen_range(c, v, margin, tuning)
        c.last_at[:] = t
        c.count += 1.0
        c.age += 1.0
        self.table.put(rows, c)

    def _learn_levels(self, c: Columns, v: Floats, prediction: Floats, limited: Mask, frozen: Mask) -> None:
        """Moves levels and spreads towards ``v``, an outlier by no more than ``winsor`` spreads where ``limited``."""
        tuning = self.tuning
        error = v - prediction
        size = np.abs(error)
        known = ~np.isnan(error[SEASON])
        first = known & np.isinf(c.spread[SEASON])
        # A season starts as a poor predictor and has to prove itself.
        c.spread[SEASON, first] = 2.0 * c.spread[SLOW, first]
        cap = np.where(limited & (c.spread > 0), tuning.winsor * c.spread, np.inf)
        size = np.minimum(size, cap)
        moved = np.where(np.isnan(error), 0.0, np.clip(error, -cap, cap))
        running = 1.0 / (c.age + 1.0)
        slow = np.maximum(tuning.slow, running)
        c.level[FAST] += np.maximum(tuning.fast, running) * moved[FAST]
        c.level[SLOW] += slow * moved[SLOW]
        c.level[SEASON] += slow * moved[SEASON]
        c.level[LAST] = v
        weight = np.where(frozen, 0.0, np.maximum(tuning.spread, 1.0 / np.maximum(c.count, 1.0)))
        learned = c.spread + weight * (_SD_OF_MEAN_ERROR * size - c.spread)
        c.spread[:SEASON] = learned[:SEASON]
        c.spread[SEASON, known] = learned[SEASON, known]

    def _shift(
        self, c: Columns, armed: Mask, places: Integers, rows: Integers, t: Floats, v: Floats, scores: Scores
    ) -> Mask:
        """Finds levels that moved by less than single readings vary. Returns where."""
        tuning = self.tuning
        # A trend holds the levels apart too: only what is new about the distance counts.
        apart = c.level[FAST] - c.level[SLOW] - c.trend
        size = np.abs(apart)
        usual = np.maximum(c.shift_spread, tuning.shift_floor * np.min(c.spread, axis=0))
        usual = np.maximum(usual, np.maximum(tuning.step_floor * tuning.step_floor * c.step, _ROUNDING * np.abs(v)))
        z = _ratio(size, usual)
        limit = (1.0 + tuning.young_shift / np.maximum(c.age, 1.0)) * np.maximum(
            tuning.threshold, tuning.tail_factor * c.tail[SHIFT]
        )
        rested = c.age >= tuning.shift_age
        shifted: Mask = armed & rested & (z > limit)
        for i in np.flatnonzero(shifted).tolist():
            scores.anomalies.append(self._drift(rows[i], c, i, t[i], v[i], z[i], limit[i] * usual[i]))
            scores.score[places[i]] = max(scores.score[places[i]], z[i])
        _learn_tail(c.tail[SHIFT], z, rested & (c.open == 0), shifted, tuning.tail_step_shift, tuning)
        cap = np.where((c.open == 0) & (c.shift_spread > 0), tuning.winsor * c.shift_spread, np.inf)
        weight = np.maximum(tuning.shift_spread, 1.0 / np.maximum(c.count, 1.0))
        c.trend += np.maximum(tuning.slow, 2.0 / (c.age + 2.0)) * np.clip(apart, -cap, cap)
        c.shift_spread += weight * (_SD_OF_MEAN_ERROR * np.minimum(size, cap) - c.shift_spread)
        if shifted.any():
            c.open[shifted] = 1.0
            c.level[SLOW, shifted] = c.level[FAST, shifted]
            c.age[shifted] = 1.0 / tuning.fast
        return shifted

    def _held(self, row: np.int64, c: Columns, i: int, *, stayed: bool) -> Anomaly:
        series = self.table.series[row]
        at, value, score, low, high = (
            float(x[i]) for x in (c.held_at, c.held_value, c.held_score, c.held_low, c.held_high)
        )
        if stayed:
            kind = Kind.LEVEL_SHIFT
            after = float(c.run_sum[i] / max(c.run[i], 1.0))
            text = explain.jump(series.unit, low / 2 + high / 2, after, at, score, SCORE_MAX)
        else:
            kind = Kind.SPIKE
            text = explain.spike(series.unit, value, low, high, score, SCORE_MAX)
        return Anomaly(series, int(at), value, score, low, high, kind, text)

    def _drift(self, row: np.int64, c: Columns, i: int, t: float, v: float, z: float, reach: float) -> Anomaly:
        series = self.table.series[row]
        before, after = float(c.level[SLOW, i]), float(c.level[FAST, i])
        text = explain.drift(series.unit, before, after, float(z), SCORE_MAX)
        return Anomaly(
            series, int(t), float(v), float(z), float(before - reach), float(before + reach), Kind.LEVEL_SHIFT, text
        )

    def _flatline(self, row: np.int64, c: Columns, i: int, t: float, v: float, low: float, high: float) -> Anomaly:
        series = self.table.series[row]
        score = min(SCORE_MAX, self.tuning.threshold * float((c.same[i] + 1.0) / c.same_limit[i]))
        text = explain.flatline(series.unit, float(v), float(c.same[i] + 1.0), float(c.same_since[i]), float(t))
        return Anomaly(series, int(t), float(v), score, float(low), float(high), Kind.FLATLINE, text)

    def _out_of_range(
        self, row: np.int64, c: Columns, i: int, t: float, v: float, z: float, low: float, high: float
    ) -> Anomaly:
        series = self.table.series[row]
        text = explain.out_of_range(series.unit, float(v), float(c.low[i]), float(c.high[i]))
        return Anomaly(series, int(t), float(v), float(z), float(low), float(high), Kind.OUT_OF_RANGE, text)


def _rounds(rows: Integers) -> list[Integers]:
    """Positions of the first reading of every series, then of the second, and so on."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if rows.size else order
    if starts.size == rows.size:
        return [np.arange(rows.size)] if rows.size else []
    lengths = np.diff(np.append(starts, rows.size))
    turn = np.arange(rows.size) - np.repeat(starts, lengths)
    by_turn = order[np.argsort(turn, kind="stable")]
    return np.split(by_turn, np.cumsum(np.bincount(turn))[:-1])


def _begin(c: Columns, new: Mask, t: Floats, v: Floats, tuning: Tuning) -> None:
    """The state of a series at its first reading."""
    c.last_at[new] = t[new]
    c.level[LAST, new] = c.level[FAST, new] = c.level[SLOW, new] = v[new]
    c.spread[SEASON, new] = np.inf
    c.tail[:, new] = tuning.threshold / 2.0
    c.low[new] = c.high[new] = v[new]
    c.same_since[new] = t[new]
    c.same_limit[new] = tuning.stuck
    c.interval[new] = 0.0


def _ratio(size: Floats, usual: Floats) -> Floats:
    """``size / usual`` up to the limit of scores; 0 / 0 is 0."""
    with np.errstate(divide="ignore"):
        return np.where(size > 0, np.minimum(size / usual, SCORE_MAX), 0.0)


def _hold(c: Columns, where: Mask, values: tuple[Floats, ...]) -> None:
    """Keeps an outlier until the next readings tell what it is."""
    held = (
        c.held_at,
        c.held_value,
        c.held_score,
        c.held_low,
        c.held_high,
    )
    for column, value in zip(held, values, strict=True):
        column[where] = value[where]


def _learn_tail(tail: Floats, z: Floats, calm: Mask, alarmed: Mask, step: float, tuning: Tuning) -> None:
    """Moves ``tail`` to where ``tail_rate`` of the scores exceed it (stochastic approximation on its logarithm)."""
    factor = np.where(z > tail, 1.0 + step * (1.0 - tuning.tail_rate), 1.0 - step * tuning.tail_rate)
    factor = np.where(alarmed, 1.0 + tuning.tail_step_alarm, np.where(calm, factor, 1.0))
    # Half the threshold is where Gaussian noise settles; below it the threshold rules anyway.
    tail[:] = np.clip(tail * factor, tuning.threshold / 2.0, SCORE_MAX)


def _stand_still(c: Columns, t: Floats, v: Floats, tuning: Tuning) -> Mask:
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


def _set_anew(c: Columns, where: Mask, level: Floats, prediction: Floats, v: Floats) -> None:
    """The levels start again from ``level``: the series has moved, or comes back from a gap."""
    c.level[FAST, where] = c.level[SLOW, where] = level[where]
    seasonal = where & ~np.isnan(prediction[SEASON])
    c.level[SEASON, seasonal] += level[seasonal] - prediction[SEASON, seasonal]
    c.age[where] = np.maximum(c.run[where], 1.0)
    c.run[where] = 0.0


def _widen_range(c: Columns, v: Floats, margin: Floats, tuning: Tuning) -> None:
    """Takes ``v`` into the range seen, by no more than the margin and not while an event lasts."""
    learning = c.count < tuning.warm_up
    reach = np.where(learning | (margin == 0), np.inf, np.where(c.open > 0, 0.0, margin))
    c.low[:] = np.minimum(c.low, np.maximum(v, c.low - reach))
    c.high[:] = np.maximum(c.high, np.minimum(v, c.high + reach))
