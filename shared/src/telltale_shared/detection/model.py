"""The model: what each series is expected to do next, and how far a reading is from that.

Pure: no I/O, no clock of its own, no randomness. It learns online and looks at no reading before it arrives.

Four predictors run side by side for every series: its last value, a fast and a slow level, and a daily profile once a
day has been seen. Each has a robust spread of its errors; the one with the smallest spread speaks. What is unusual is
told by `rarity` (distances as large are rare in this series), by `novelty` (it leaves everything seen so far) and by
runs of equal values. `evidence` puts all of it on one scale, on which the limits of a series decide what is an alarm.
A jump is a *spike* when the series comes back within a few readings and a *level shift* when it stays. One event gives
one alarm.

Readings of one series are taken in the order in which they arrive, all series side by side in numpy; the result does
not depend on how the readings are cut into batches.
"""

from dataclasses import dataclass

import numpy as np

from telltale_shared.detection import events, learning, novelty, rarity, season
from telltale_shared.detection.evidence import Evidence, weigh
from telltale_shared.detection.explain import Anomaly
from telltale_shared.detection.judging import Judgement, Run, follow_run, judge, judge_shift, judge_unrest, plausible
from telltale_shared.detection.state import (
    FAST,
    JUMP,
    LEVEL_SHIFT,
    SEASON,
    SLOW,
    SPIKE,
    VALUE,
    Columns,
    Floats,
    Integers,
    Table,
)
from telltale_shared.detection.tuning import TUNING, Tuning

DETECTOR = "telltale"
VERSION = "3"
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
    """How unusual the reading is when it comes, 0 to 1,000 on the scale of `evidence`; 0 for what is no more unusual
    than what was told before. NaN for a reading that comes late."""
    distance: Floats
    """Robust standard deviations from the expected value, 0 to 1,000; NaN as in ``score``."""
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
        scores = Scores(_blank(size), _blank(size), _blank(size), _blank(size), [])
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
        return [anomaly for anomaly in found if anomaly is not None]

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
        believed = novelty.believed(c, v, tuning)
        judged = judge(c, t, v, believed, prediction, tuning)
        scores.distance[places] = judged.score
        scores.expected_low[places] = plausible(judged.low, judged.high, c.floor[VALUE])
        scores.expected_high[places] = judged.high
        news = novelty.measure(c, believed, daily, judged, tuning)
        stuck = learning.stand_still(c, t, v, tuning)
        frozen = stuck & (c.count >= tuning.warm_up)
        shift, unrest = judge_shift(c, v, tuning), judge_unrest(c, v, judged, tuning)
        distance = np.array([judged.distance, shift.distance, unrest])
        distance[:, frozen] = 0.0
        distance[JUMP, judged.after_gap & ~judged.beyond] = 0.0
        once_in = rarity.measure(c, distance, tuning)
        rare = rarity.worth(distance, once_in, tuning)
        run = follow_run(c, v, judged, rare[JUMP], tuning)
        self._tell_held(rows, c, v, run, scores.anomalies)
        evidence = weigh(c, rare, once_in, news, judged.beyond, stuck, tuning)
        scores.score[places] = evidence.worth
        if evidence.alarms.any():
            seen = events.Seen(judged, shift, news, daily, unrest)
            self._open(rows, c, t, v, judged, evidence, seen, scores.anomalies)

        learning.learn_levels(c, v, prediction, frozen, tuning)
        learning.learn_shift(c, shift.apart, c.open == 0, tuning)
        anew = run.stays | run.believed | (judged.after_gap & judged.notable)
        if anew.any():
            learning.set_anew(c, anew, np.where(run.stays, c.run_sum / np.maximum(c.run, 1.0), v), prediction)
        # Not cut to what was expected: a jump that comes every day would never be learned.
        season.learn(self.table.profile, rows, c, t, believed, tuning.season)
        c.quiet[:] = np.where(run.unusual | stuck, 0.0, c.quiet + 1.0)
        c.open[c.quiet >= tuning.refractory] = 0.0
        c.last_at[:] = t
        c.count += 1.0
        c.age += 1.0
        self.table.put(rows, c)

    def _tell_held(self, rows: Integers, c: Columns, v: Floats, run: Run, found: list[Anomaly]) -> None:
        """Tells what was held back, where the readings since then say what it is."""
        held = c.held_at > 0
        if not held.any():
            return
        c.held_for += held
        # Nearer to what was expected than to where it jumped.
        came_back = np.abs(v - (c.held_low / 2 + c.held_high / 2)) < np.abs(v - c.held_value)
        for i in np.flatnonzero(held & (run.stays | (came_back & ~run.follows) | (c.held_for >= self.tuning.hold))):
            anomaly = events.held(self.table.series[rows[i]], c, int(i), stayed=bool(run.stays[i] or not came_back[i]))
            if anomaly is not None:
                found.append(anomaly)
            c.held_at[i] = 0.0

    def _open(
        self,
        rows: Integers,
        c: Columns,
        t: Floats,
        v: Floats,
        judged: Judgement,
        evidence: Evidence,
        seen: events.Seen,
        found: list[Anomaly],
    ) -> None:
        """Begins the events that are worth an alarm."""
        for i in np.flatnonzero(evidence.alarms).tolist():
            kind = int(evidence.kind[i])
            if kind == SPIKE:
                _hold(c, i, t, v, judged, evidence)
            else:
                found.append(events.anomaly(self.table.series[rows[i]], c, i, t, v, kind, evidence, seen))
        alarms = evidence.alarms
        c.open[alarms] = 1.0
        c.quiet[alarms] = 0.0
        moved = alarms & (evidence.kind == LEVEL_SHIFT)
        c.level[SLOW, moved] = c.level[FAST, moved]
        c.age[moved] = np.minimum(c.age[moved], 1.0 / self.tuning.fast)


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


def _hold(c: Columns, i: int, t: Floats, v: Floats, judged: Judgement, evidence: Evidence) -> None:
    """Keeps an outlier until the next readings tell what it is."""
    c.held_at[i], c.held_value[i], c.held_for[i] = t[i], v[i], 0.0
    c.held_score[i], c.held_once[i] = evidence.score[SPIKE, i], evidence.once_in[SPIKE, i]
    c.held_low[i], c.held_high[i] = judged.low[i], judged.high[i]
