"""A silent sensor, or an outage of our own? Only the first is "no data"; of the second nobody can tell."""

from collections.abc import Iterable

import pytest

from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rules import SECOND, Kind, Rule
from telltale_alerts.evaluation.state import State
from telltale_shared.contracts import Heartbeat

from .messages import at, heartbeat, readings, rule
from .test_evaluation import feed, only

SILENT = rule(Kind.NO_DATA, hold=60 * SECOND)


def beats(start: int, end: int, *services: str) -> Iterable[Heartbeat]:
    """Heartbeats every five seconds."""
    return [heartbeat(n, service) for n in range(start, end, 5) for service in services or ("generator", "alerts")]


@pytest.fixture
def evaluator() -> Evaluator:
    """Watches one sensor that spoke at second 0."""
    evaluator = Evaluator(rules=[SILENT])
    feed(evaluator, heartbeat(0), heartbeat(0, "alerts"), readings(0, 20))
    return evaluator


def test_a_silent_sensor_fires_when_its_time_is_over_and_not_when_that_is_noticed(evaluator: Evaluator) -> None:
    assert feed(evaluator, *beats(5, 60)) == []
    assert feed(evaluator, heartbeat(64.5)) == [(State.FIRING, 60)]
    assert only(evaluator).explanation == "No reading for 1 min."
    assert feed(evaluator, *beats(70, 200)) == []
    assert feed(evaluator, readings(200, 20)) == [(State.RESOLVED, 200)]


def test_a_sensor_that_speaks_is_not_silent_whatever_others_do(evaluator: Evaluator) -> None:
    feed(evaluator, readings(1, 20, source="press-2"))
    spoken = [message for n in range(5, 120, 5) for message in (heartbeat(n), readings(n + 1, 20))]
    assert feed(evaluator, *spoken) == [(State.FIRING, 61)]
    assert only(evaluator).source == "press-2"


def test_old_readings_that_come_now_do_not_break_a_silence(evaluator: Evaluator) -> None:
    old = [message for n in range(5, 95, 5) for message in (heartbeat(n), readings(n, 20, measured=n / 100))]
    assert feed(evaluator, *old) == [(State.FIRING, 60.6)]
    assert feed(evaluator, readings(95, 20, measured=36)) == [(State.RESOLVED, 95)]


def test_readings_that_come_in_batches_are_silent_in_between_and_end_that_when_they_come(evaluator: Evaluator) -> None:
    assert feed(evaluator, *beats(5, 120), readings(120, *range(120))) == [(State.FIRING, 60), (State.RESOLVED, 120)]
    assert feed(evaluator, *beats(125, 240), readings(240, *range(120))) == [(State.FIRING, 180), (State.RESOLVED, 240)]


def test_batches_that_come_before_silence_has_lasted_too_long_are_none(evaluator: Evaluator) -> None:
    for n in range(50, 500, 50):
        assert feed(evaluator, *beats(n - 45, n), readings(n, *range(50))) == []


def test_while_its_publisher_is_away_nobody_can_tell(evaluator: Evaluator) -> None:
    assert feed(evaluator, *beats(5, 600, "alerts", "writer")) == []
    assert evaluator.doubt(SILENT) == "generator has not been heard from for 595 s"
    # Back, it has as long to speak as ever.
    assert feed(evaluator, *beats(600, 660)) == []
    assert evaluator.doubt(SILENT) == ""
    assert feed(evaluator, heartbeat(660)) == [(State.FIRING, 660)]


def test_while_its_publisher_is_not_well_nobody_can_tell(evaluator: Evaluator) -> None:
    ill = [heartbeat(n, health="degraded", dependencies={"broker": "blocked", "spool": "ok"}) for n in range(5, 300, 5)]
    assert feed(evaluator, *ill) == []
    assert evaluator.doubt(SILENT) == "generator is not well (broker: blocked)"


def test_a_program_of_somebody_elses_sends_no_heartbeats_and_is_silent_when_it_is_silent() -> None:
    evaluator = Evaluator(rules=[SILENT])
    assert feed(evaluator, readings(0, 20), *beats(5, 65, "alerts"), heartbeat(65, "alerts")) == [(State.FIRING, 60)]


def test_after_an_outage_of_the_broker_everybody_has_time_to_speak_again(evaluator: Evaluator) -> None:
    # Nothing at all for ten minutes; live readings of that time never come. The first heartbeat after it is not
    # believed before a second service confirms the time, so the generator counts as back with its next one.
    assert feed(evaluator, *beats(600, 665)) == []
    assert feed(evaluator, *beats(665, 675)) == [(State.FIRING, 665)]


def test_lost_messages_are_an_outage_too(evaluator: Evaluator) -> None:
    feed(evaluator, *beats(5, 50))
    evaluator.gap()
    assert feed(evaluator, *beats(50, 105)) == []
    assert feed(evaluator, heartbeat(105)) == [(State.FIRING, 105)]


def test_one_clock_that_is_wrong_does_not_make_everybody_silent(evaluator: Evaluator) -> None:
    wrong = [message for n in range(5, 50, 5) for message in (heartbeat(n + 3_600, "sensor-hub"), heartbeat(n))]
    assert feed(evaluator, *wrong, readings(50, 20), *beats(51, 105)) == []
    assert evaluator.now < at(110)


def test_an_alert_that_fires_goes_on_while_nobody_can_tell(evaluator: Evaluator) -> None:
    feed(evaluator, *beats(5, 70))
    assert feed(evaluator, *beats(70, 300, "alerts")) == []
    assert only(evaluator).state is State.FIRING


def test_flapping_is_bounded_by_how_long_readings_must_last() -> None:
    steady = Rule(**{**{name: getattr(SILENT, name) for name in SILENT.__slots__}, "clear_after": 30 * SECOND})
    evaluator = Evaluator(rules=[steady])
    feed(evaluator, heartbeat(0), heartbeat(0, "alerts"), readings(0, 20))
    assert feed(evaluator, *beats(5, 80)) == [(State.FIRING, 60)]
    assert feed(evaluator, readings(80, 20), *beats(85, 160)) == []
    talking = [message for n in range(160, 195, 5) for message in (heartbeat(n), readings(n + 1, 20))]
    assert feed(evaluator, *talking) == [(State.RESOLVED, 191)]
