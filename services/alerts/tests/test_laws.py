"""What holds for every stream of messages, and for a restart at any point of it."""

import copy
import random
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rehearsal import Rehearsal
from telltale_alerts.evaluation.rules import SECOND, Kind, Silence
from telltale_alerts.evaluation.state import Alert, Change, Clock, State
from telltale_shared.contracts import AnomalyDetected, Heartbeat, ReadingBatch

from .messages import anomaly, at, heartbeat, readings, rule

Message = ReadingBatch | AnomalyDetected | Heartbeat

RULES = [
    rule(id=1, threshold=5.0, clear=3.0),
    rule(id=2, threshold=5.0, hold=7 * SECOND, clear_after=4 * SECOND),
    rule(Kind.ANOMALY, id=3, clear_after=20 * SECOND),
    rule(Kind.NO_DATA, id=4, hold=12 * SECOND),
    rule(Kind.MISSING_READINGS, id=5, threshold=0.0, hold=10 * SECOND),
]
SILENCES = [Silence(1, at(60), rule_id=1, sources=frozenset({"press-1"}))]
NEXT_STATES: dict[State | None, set[State]] = {
    None: {State.PENDING, State.FIRING, State.SILENCED},
    State.PENDING: {State.FIRING, State.SILENCED, State.RESOLVED},
    State.FIRING: {State.RESOLVED, State.SILENCED},
    State.SILENCED: {State.RESOLVED, State.FIRING},
}


def _message(kind: int, time: float, value: float, source: str) -> Message:
    if kind < 4:
        return readings(time, value, source=source)
    if kind < 5:
        return readings(time, *(value + n / 2 for n in range(20)), source=source)
    if kind < 7:
        return heartbeat(time)
    if kind == 7:
        return heartbeat(time, "writer", missing=max(0.0, value - 5))
    if kind == 8:
        return heartbeat(time, "detector")
    return anomaly(time, score=value)


@st.composite
def streams(draw: st.DrawFn) -> list[Message]:
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 9),
                st.sampled_from([0.1, 1.0, 1.0, 3.0, 6.0, 14.0, 40.0]),
                st.floats(0, 10),
                st.sampled_from(["press-1", "press-2"]),
            ),
            max_size=60,
        )
    )
    time, messages = 0.0, []
    for kind, pause, value, source in steps:
        time += pause
        messages.append(_message(kind, time, value, source))
    # Something that was published earlier may come later, and anything may come twice.
    for place in draw(st.lists(st.integers(0, max(0, len(messages) - 2)), max_size=5)):
        if messages:
            messages.insert(min(place + 2, len(messages)), messages[place])
    return messages


def _feed(evaluator: Evaluator, message: Message) -> None:
    match message:
        case ReadingBatch():
            evaluator.readings(message)
        case AnomalyDetected():
            evaluator.anomaly(message)
        case Heartbeat():
            evaluator.heartbeat(message)


def _told(changes: Sequence[Change]) -> list[tuple[object, ...]]:
    return [(change.alert.key, change.state, change.at, change.value, change.explanation) for change in changes]


def _fresh() -> Evaluator:
    return Evaluator(rules=RULES, silences=SILENCES)


def _restarted(evaluator: Evaluator) -> Evaluator:
    """Another process that finds what this one has kept."""
    clock = msgspec.json.decode(msgspec.json.encode(evaluator.clock.kept), type=Clock)
    return Evaluator(
        clock=clock,
        series=copy.deepcopy(list(evaluator.series.values())),
        alerts=copy.deepcopy(list(evaluator.alerts.values())),
        rules=RULES,
        silences=SILENCES,
    )


@settings(max_examples=200, deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_a_restart_at_any_point_loses_no_change_and_tells_none_twice(
    messages: list[Message], chance: random.Random
) -> None:
    steady = _fresh()
    for message in messages:
        _feed(steady, message)
    expected = _told(steady.changes)

    crashing = _fresh()
    saved, kept, position = _restarted(crashing), 0, 0
    told: list[tuple[object, ...]] = []
    while position < len(messages):
        _feed(crashing, messages[position])
        position += 1
        if chance.random() < 0.3:
            # Changes, state and position are kept together.
            told += _told(crashing.changes)
            crashing.kept()
            kept, saved = position, _restarted(crashing)
            if chance.random() < 0.5:
                crashing = _restarted(saved)
        elif chance.random() < 0.3:
            # Killed: what happened since is read again.
            crashing, position = _restarted(saved), kept
    told += _told(crashing.changes)
    assert told == expected


@settings(max_examples=200, deadline=None)
@given(streams())
def test_states_follow_each_other_as_they_may_and_one_alert_is_open_at_a_time(messages: list[Message]) -> None:
    evaluator = _fresh()
    last: dict[int, State] = {}
    open_now: dict[tuple[int, str, str], Alert] = {}
    alive: list[Change] = []
    """So that no identity is used twice."""
    for message in messages:
        _feed(evaluator, message)
        for change in evaluator.changes:
            alert = change.alert
            assert change.state in NEXT_STATES[last.get(id(alert))]
            last[id(alert)] = change.state
            assert open_now.setdefault(alert.key, alert) is alert
            assert change.state is not State.RESOLVED or change.at >= (alert.fired_at or alert.since)
            if change.state is State.RESOLVED:
                del open_now[alert.key]
        alive += evaluator.changes
        evaluator.kept()
    assert {alert.key for alert in open_now.values()} == set(evaluator.alerts)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=80), st.floats(0, 5), st.integers(0, 8), st.integers(0, 8))
def test_a_threshold_fires_exactly_where_its_definition_says(
    values: list[float], clear: float, hold: int, clear_after: int
) -> None:
    """Compared with the definition, written down a second time and without any state between readings but these."""
    watched = rule(threshold=5.0, clear=clear, hold=hold * SECOND, clear_after=clear_after * SECOND)
    rehearsal = Rehearsal(watched)
    for second, value in enumerate(values):
        rehearsal.reading("press-1", "temperature", "°C", at(second), value)
    expected: list[tuple[int, int | None]] = []
    above_since: int | None = None
    below_since: int | None = None
    for second, value in enumerate(values):
        above_since = None if value <= 5.0 else second if above_since is None else above_since
        below_since = None if value > clear else second if below_since is None else below_since
        if expected and expected[-1][1] is None:
            if below_since is not None and second - below_since >= clear_after:
                expected[-1] = (expected[-1][0], second)
                above_since = below_since = None
        elif above_since is not None and second - above_since >= hold:
            expected.append((second, None))
            below_since = None
    found = [(change.at, change.alert.resolved_at) for change in rehearsal.fired]
    assert found == [(at(fired), None if resolved is None else at(resolved)) for fired, resolved in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(4.0, 6.0), min_size=2, max_size=200))
def test_hysteresis_bounds_flapping(values: list[float]) -> None:
    """Values that stay between the limits after the first alert make no other one."""
    rehearsal = Rehearsal(rule(threshold=5.0, clear=3.9))
    for second, value in enumerate(values):
        rehearsal.reading("press-1", "temperature", None, at(second), value)
    assert len(rehearsal.fired) <= 1
