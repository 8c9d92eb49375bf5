"""The model: what each series is expected to do next, and how far a reading is from that.

Pure: no I/O, no clock of its own, no randomness. It learns online and looks at no reading before it arrives.

Four predictors run side by side for every series: its last value, a fast and a slow level, and a daily profile once a
day has been seen. Each has a robust spread of its errors; the one with the smallest spread speaks. Two scores follow:

* **jump**: how many spreads the reading lies from the prediction. It opens an event, which is a *spike* when the series
  comes back within a few readings and a *level shift* when it stays;
* **shift**: how far the fast level lies from the slow one, which finds level shifts smaller than single readings vary.

Both thresholds follow the learned tail of the series, so that one that jumps by nature is not news. Besides: *flatline*
and *out of range*. One event gives one alarm. Beside them `novelty` says of every reading how new it is.

Readings of one series are taken in the order in which they arrive, all series side by side in numpy; the result does
not depend on how the readings are cut into batches.
"""

from dataclasses import dataclass

import numpy as np

from telltale_detector import events, learning, novelty, season
from telltale_detector.explain import Anomaly
from telltale_detector.judging import Judgement, judge, judge_shift
from telltale_detector.state import FAST, JUMP, SEASON, SHIFT, SLOW, Columns, Floats, Integers, Mask, Table
from telltale_detector.tuning import TUNING, Tuning

DETECTOR = "telltale"
VERSION = "2"
"""Raised whenever the same readings may give other anomalies."""


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
    novelty: Floats
    """By how much the series leaves all that it has shown before, 0 to 1, told once per event; NaN as in ``score``."""


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
        scores = Scores(_blank(size), _blank(size), _blank(size), [], _blank(size))
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
        found = [events.held(self.table.series[row], columns, int(row), stayed=False) for row in rows]
        columns.held_at[rows] = 0.0
        return found

    def _round(self, places: Integers, rows: Integers, t: Floats, v: Floats, scores: Scores) -> None:
        """Judges and takes in at most one reading of each series: ``rows`` are distinct."""
        tuning = self.tuning
        c = self.table.take(rows)
        new = c.count == 0
        usable = new | (t > c.last_at)
        if not usable.all():
            places, rows, t, v, new = places[usable], rows[usable], t[usable], v[usable], new[usable]
            c = Columns(np.ascontiguousarray(c.block[:, usable]))
        if not rows.size:
            return
        if new.any():
            learning.begin(c, new, t, v, tuning)

        prediction = c.level.copy()
        daily = season.expected(self.table.profile, rows, t)
        prediction[SEASON] += daily
        judged = judge(c, t, v, prediction, tuning)
        scores.score[places] = judged.score
        scores.expected_low[places], scores.expected_high[places] = judged.low, judged.high
        believed = novelty.believed(c, v, tuning)
        scores.novelty[places] = novelty.measure(c, believed, daily, tuning)
        _follow_run(c, v, judged)
        stays = c.run >= tuning.hold
        stuck = learning.stand_still(c, t, v, tuning)

        calm = c.open == 0
        frozen = stuck & (c.count >= tuning.warm_up)
        alarmed, jumped = self._tell(rows, c, t, v, judged, stays, stuck, scores.anomalies)
        learning.learn_tail(c.tail[JUMP], judged.score, calm & ~frozen, jumped, tuning.tail_step, tuning)
        c.open[alarmed] = 1.0
        learning.learn_levels(c, v, prediction, frozen, tuning)
        anew = stays | judged.believed | (judged.after_gap & judged.unusual)
        if anew.any():
            learning.set_anew(c, anew, np.where(stays, c.run_sum / np.maximum(c.run, 1.0), v), prediction)

        watched = calm & (c.count >= tuning.warm_up) & ~alarmed & ~frozen
        shifted = self._tell_shifts(places, rows, c, t, v, watched, scores)
        # Not cut to what was expected: a jump that comes every day would never be learned.
        season.learn(self.table.profile, rows, c, t, believed, tuning.season)
        c.quiet[:] = np.where(judged.unusual | stuck | shifted, 0.0, c.quiet + 1.0)
        c.open[c.quiet >= tuning.refractory] = 0.0
        learning.widen_range(c, v, judged.margin, tuning)
        c.last_at[:] = t
        c.count += 1.0
        c.age += 1.0
        self.table.put(rows, c)

    def _tell(
        self,
        rows: Integers,
        c: Columns,
        t: Floats,
        v: Floats,
        judged: Judgement,
        stays: Mask,
        stuck: Mask,
        found: list[Anomaly],
    ) -> tuple[Mask, Mask]:
        """Adds to ``found`` what is certain now. Returns where an event begins, and where it does with a jump."""
        armed = (c.count >= self.tuning.warm_up) & (c.open == 0)
        jumped = armed & judged.unusual & ~(judged.after_gap & ~judged.beyond)
        flat = armed & stuck & ~jumped
        series = self.table.series
        for i in np.flatnonzero((c.held_at > 0) & (stays | ~judged.follows)).tolist():
            # A series that wanders does not come back either, though its last value at once expects the new level.
            came_back = abs(v[i] - c.held_low[i] / 2 - c.held_high[i] / 2) < abs(v[i] - c.held_value[i])
            found.append(events.held(series[rows[i]], c, i, stayed=bool(stays[i] or not came_back)))
            c.held_at[i] = 0.0
        if jumped.any():
            far = np.flatnonzero(jumped & judged.beyond).tolist()
            found.extend(events.out_of_range(series[rows[i]], c, i, t[i], v[i], judged) for i in far)
            _hold(c, jumped & ~judged.beyond, t, v, judged)
        still = np.flatnonzero(flat).tolist()
        found.extend(events.flatline(series[rows[i]], c, i, t[i], v[i], judged, self.tuning) for i in still)
        return jumped | flat, jumped

    def _tell_shifts(
        self, places: Integers, rows: Integers, c: Columns, t: Floats, v: Floats, watched: Mask, scores: Scores
    ) -> Mask:
        """Finds levels that moved by less than single readings vary, and learns their usual distance. Returns where."""
        tuning = self.tuning
        shift = judge_shift(c, v, tuning)
        shifted: Mask = watched & shift.unusual
        for i in np.flatnonzero(shifted).tolist():
            scores.anomalies.append(events.drift(self.table.series[rows[i]], c, i, t[i], v[i], shift))
            scores.score[places[i]] = max(scores.score[places[i]], shift.score[i])
        calm = c.open == 0
        learning.learn_tail(c.tail[SHIFT], shift.score, shift.rested & calm, shifted, tuning.tail_step_shift, tuning)
        learning.learn_shift(c, shift.apart, calm, tuning)
        if shifted.any():
            c.open[shifted] = 1.0
            c.level[SLOW, shifted] = c.level[FAST, shifted]
            c.age[shifted] = 1.0 / tuning.fast
        return shifted


def _blank(size: int) -> Floats:
    return np.full(size, np.nan)


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


def _follow_run(c: Columns, v: Floats, judged: Judgement) -> None:
    """Counts outliers in a row on one side."""
    c.run[:] = np.where(judged.unusual, np.where(judged.follows, c.run + 1.0, 1.0), 0.0)
    c.run_sum[:] = np.where(judged.follows, c.run_sum, 0.0) + v
    c.run_side[:] = np.sign(v - judged.expected)


def _hold(c: Columns, where: Mask, t: Floats, v: Floats, judged: Judgement) -> None:
    """Keeps an outlier until the next readings tell what it is."""
    c.held_at[where] = t[where]
    c.held_value[where] = v[where]
    c.held_score[where] = judged.score[where]
    c.held_low[where] = judged.low[where]
    c.held_high[where] = judged.high[where]
