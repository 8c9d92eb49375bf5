"""When alerts begin and end, in the time of the readings."""

from typing import Any

import pytest

from telltale_alerts.evaluation import words
from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rules import SECOND, Direction, Kind, Severity, Silence
from telltale_alerts.evaluation.state import Alert, State
from telltale_shared.contracts import AnomalyDetected, Heartbeat, ReadingBatch

from .messages import START, anomaly, at, heartbeat, readings, rule

MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (90.0, "90 B/s"),
        (97.25, "97.25 B/s"),
        (1_651_840.4, "1,651,840 B/s"),
        (-0.000_02, "-2e-05 B/s"),
        (1e12, "1e+12 B/s"),
    ],
)
def test_numbers_are_told_as_people_read_them(value: float, told: str) -> None:
    assert words.quantity(value, "B/s") == told
    assert words.quantity(value, None) == told.removesuffix(" B/s")


def feed(evaluator: Evaluator, *messages: ReadingBatch | AnomalyDetected | Heartbeat) -> list[tuple[State, float]]:
    """What has changed, and how many seconds after the start."""
    for message in messages:
        match message:
            case ReadingBatch():
                evaluator.readings(message)
            case AnomalyDetected():
                evaluator.anomaly(message)
            case Heartbeat():
                evaluator.heartbeat(message)
    changes = [(change.state, (change.at - START) / SECOND) for change in evaluator.changes]
    evaluator.kept()
    return changes


def only(evaluator: Evaluator) -> Alert:
    (alert,) = evaluator.alerts.values()
    return alert


class TestThreshold:
    def test_a_value_above_fires_at_once_and_one_at_the_limit_resolves(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        assert feed(evaluator, readings(1, 90, 90.5)) == [(State.FIRING, 1)]
        assert only(evaluator).explanation == "90.5 °C, above 90 °C."
        assert feed(evaluator, readings(2, 90)) == [(State.RESOLVED, 2)]
        assert not evaluator.alerts

    def test_a_value_below_fires_where_that_is_asked_for(self) -> None:
        evaluator = Evaluator(rules=[rule(direction=Direction.BELOW)])
        assert feed(evaluator, readings(1, 89)) == [(State.FIRING, 1)]

    def test_it_fires_once_it_has_held_for_long_enough(self) -> None:
        evaluator = Evaluator(rules=[rule(hold=10 * SECOND)])
        assert feed(evaluator, readings(0, 91)) == [(State.PENDING, 0)]
        assert feed(evaluator, *(readings(n, 91) for n in range(1, 10))) == []
        assert feed(evaluator, readings(10, 91)) == [(State.FIRING, 10)]
        assert only(evaluator).explanation == "91 °C, above 90 °C for 10 s."

    def test_one_reading_in_between_starts_the_wait_again(self) -> None:
        evaluator = Evaluator(rules=[rule(hold=10 * SECOND)])
        changes = feed(evaluator, readings(0, 91), readings(9, 90), readings(10, 91), readings(19, 91))
        assert changes == [(State.PENDING, 0), (State.RESOLVED, 9), (State.PENDING, 10)]

    def test_between_the_two_limits_a_firing_alert_goes_on_and_none_begins(self) -> None:
        evaluator = Evaluator(rules=[rule(clear=80.0)])
        assert feed(evaluator, readings(0, 85), readings(1, 91), readings(2, 85), readings(3, 81)) == [
            (State.FIRING, 1)
        ]
        assert feed(evaluator, readings(4, 80)) == [(State.RESOLVED, 4)]

    def test_it_ends_once_it_has_been_over_for_long_enough(self) -> None:
        evaluator = Evaluator(rules=[rule(clear_after=5 * SECOND)])
        changes = feed(evaluator, readings(0, 91), readings(1, 50), readings(4, 91), readings(5, 50), readings(9, 50))
        assert changes == [(State.FIRING, 0)]
        assert feed(evaluator, readings(10, 50)) == [(State.RESOLVED, 10)]

    def test_it_is_the_time_of_measuring_that_counts_and_late_readings_change_nothing(self) -> None:
        evaluator = Evaluator(rules=[rule(hold=10 * SECOND)])
        changes = feed(evaluator, readings(100, 91, measured=0), readings(101, 91, measured=10))
        assert changes == [(State.PENDING, 0), (State.FIRING, 10)]
        assert evaluator.readings(readings(102, 1, measured=9)) == 1
        assert feed(evaluator) == []

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
    def test_what_the_writer_would_not_store_changes_nothing(self, value: float) -> None:
        evaluator = Evaluator(rules=[rule()])
        assert evaluator.readings(readings(1, value)) == 1
        assert evaluator.readings(readings(2, 99, measured=2_000)) == 1
        assert evaluator.readings(readings(3, 99, source=" blank ")) == 1
        assert feed(evaluator) == []

    def test_only_series_of_the_rule_are_watched(self) -> None:
        evaluator = Evaluator(rules=[rule(sources=frozenset({"press-2"}))])
        assert feed(evaluator, readings(1, 99)) == []
        assert feed(evaluator, readings(1, 99, source="press-2")) == [(State.FIRING, 1)]

    def test_a_sender_whose_clock_is_wrong_cannot_send_from_the_future(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        feed(evaluator, heartbeat(0))
        assert evaluator.readings(readings(36_000, 99)) == 1
        assert feed(evaluator, readings(1, 99)) == [(State.FIRING, 1)]

    def test_columns_that_do_not_fit_are_refused(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        broken = readings(1, 99, 99)
        broken.index[1] = 7
        assert evaluator.readings(broken) == 1
        broken.index.pop()
        assert evaluator.readings(broken) == 2


class TestAnomaly:
    def test_it_fires_at_an_anomaly_and_ends_when_there_was_none_for_long_enough(self) -> None:
        evaluator = Evaluator(rules=[rule(Kind.ANOMALY, min_score=5.0, clear_after=MINUTE)])
        beats = [heartbeat(n, "detector") for n in range(0, 95, 5)]
        assert feed(evaluator, beats[0], anomaly(1, 4.9)) == []
        assert feed(evaluator, anomaly(2)) == [(State.FIRING, 2)]
        assert feed(evaluator, *beats[1:6], anomaly(30)) == []
        assert feed(evaluator, *beats[6:]) == [(State.RESOLVED, 90)]

    def test_told_again_it_changes_nothing(self) -> None:
        evaluator = Evaluator(rules=[rule(Kind.ANOMALY, clear_after=SECOND)])
        beats = [heartbeat(n) for n in range(3, 15, 3)]
        assert feed(evaluator, anomaly(2), *beats) == [(State.FIRING, 2), (State.RESOLVED, 3)]
        assert feed(evaluator, anomaly(2, found=15)) == []

    def test_only_the_kinds_of_the_rule_count(self) -> None:
        evaluator = Evaluator(rules=[rule(Kind.ANOMALY, clear_after=SECOND, anomaly_kinds=frozenset({"flatline"}))])
        assert feed(evaluator, anomaly(1)) == []
        assert feed(evaluator, anomaly(2, kind="flatline")) == [(State.FIRING, 2)]

    def test_it_stays_while_the_detector_is_away(self) -> None:
        evaluator = Evaluator(rules=[rule(Kind.ANOMALY, clear_after=20 * SECOND)])
        feed(evaluator, heartbeat(0, "detector"), anomaly(2))
        beats = [heartbeat(n) for n in range(5, 100, 5)]
        assert feed(evaluator, *beats) == []
        assert "detector" in evaluator.doubt(rule(Kind.ANOMALY))
        later = [heartbeat(n, "detector") for n in range(100, 125, 5)]
        assert feed(evaluator, *later) == [(State.RESOLVED, 120)]


class TestMissingReadings:
    @pytest.fixture
    def evaluator(self) -> Evaluator:
        missing: dict[str, Any] = {"threshold": 0.0, "hold": MINUTE}
        return Evaluator(rules=[rule(Kind.MISSING_READINGS, **missing)])

    def test_readings_that_are_missing_for_a_minute_fire(self, evaluator: Evaluator) -> None:
        assert feed(evaluator, heartbeat(0, "writer", missing=0)) == []
        assert feed(evaluator, heartbeat(5, "writer", missing=12)) == [(State.PENDING, 5)]
        beats = [heartbeat(n, "writer", missing=12) for n in range(10, 70, 5)]
        assert feed(evaluator, *beats) == [(State.FIRING, 65)]
        assert only(evaluator).explanation == "12 confirmed readings are missing for 1 min."
        assert feed(evaluator, heartbeat(70, "writer", missing=0)) == [(State.RESOLVED, 70)]

    def test_other_services_and_old_heartbeats_say_nothing_of_it(self, evaluator: Evaluator) -> None:
        assert feed(evaluator, heartbeat(5, "query", missing=12), heartbeat(6, "writer")) == []
        assert feed(evaluator, heartbeat(9, "writer", missing=1), heartbeat(8, "writer", missing=0)) == [
            (State.PENDING, 9)
        ]

    def test_without_the_writer_nobody_can_tell(self, evaluator: Evaluator) -> None:
        feed(evaluator, heartbeat(0))
        assert evaluator.doubt(rule(Kind.MISSING_READINGS)) == "writer has not been heard from yet"


class TestPeople:
    def test_an_acknowledged_alert_says_by_whom_until_it_is_given_back(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        feed(evaluator, readings(1, 91))
        evaluator.acknowledge(only(evaluator), by="Ada", note="on my way")
        (change,) = evaluator.changes
        assert (change.state, change.by, change.note) == (State.ACKNOWLEDGED, "Ada", "on my way")
        feed(evaluator, readings(2, 92))
        assert only(evaluator).state is State.ACKNOWLEDGED
        evaluator.give_back(only(evaluator), by="Bob")
        assert [(change.state, change.by) for change in evaluator.changes] == [(State.FIRING, "Bob")]
        assert feed(evaluator, readings(3, 1))[-1] == (State.RESOLVED, 3)

    def test_a_silence_covers_what_fires_now_and_what_will_and_ends_by_itself(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        feed(evaluator, readings(1, 91))
        evaluator.set_silences([Silence(1, at(20), rule_id=1)], by="Ada")
        assert feed(evaluator) == [(State.SILENCED, 1)]
        assert feed(evaluator, readings(2, 91, source="press-2")) == [(State.SILENCED, 2)]
        assert feed(evaluator, heartbeat(15)) == []
        assert feed(evaluator, heartbeat(20)) == [(State.FIRING, 20), (State.FIRING, 20)]

    def test_a_silence_of_another_rule_or_series_covers_nothing(self) -> None:
        silences = [Silence(1, at(99), rule_id=2), Silence(2, at(99), sources=frozenset({"press-2"}))]
        evaluator = Evaluator(rules=[rule()], silences=silences)
        assert feed(evaluator, readings(1, 91)) == [(State.FIRING, 1)]

    def test_below_a_silence_an_acknowledgement_waits(self) -> None:
        evaluator = Evaluator(rules=[rule()], silences=[Silence(1, at(10))])
        feed(evaluator, readings(1, 91))
        evaluator.acknowledge(only(evaluator), by="Ada")
        assert feed(evaluator) == [(State.SILENCED, 1)]
        assert feed(evaluator, heartbeat(10)) == [(State.ACKNOWLEDGED, 10)]

    def test_a_changed_rule_ends_what_it_has_open_and_a_renamed_one_does_not(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        feed(evaluator, readings(1, 91))
        evaluator.set_rules([rule(name="Hot", severity=Severity.CRITICAL)])
        assert feed(evaluator) == []
        assert (only(evaluator).rule_name, only(evaluator).severity) == ("Hot", Severity.CRITICAL)
        evaluator.set_rules([rule(revision=2, threshold=95.0)])
        assert feed(evaluator) == [(State.RESOLVED, 1)]
        assert feed(evaluator, readings(2, 91), readings(3, 96)) == [(State.FIRING, 3)]
        evaluator.set_rules([])
        assert feed(evaluator) == [(State.RESOLVED, 3)]

    def test_a_forgotten_series_takes_its_alerts_along(self) -> None:
        evaluator = Evaluator(rules=[rule()])
        feed(evaluator, readings(1, 91), readings(50, 91, source="press-2"))
        assert evaluator.forget(at(30)) == [("press-1", "temperature")]
        assert [change.alert.source for change in evaluator.changes] == ["press-1"]
        assert list(evaluator.series) == [("press-2", "temperature")]
