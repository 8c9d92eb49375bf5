"""What the hub does in particular cases."""

from typing import TypeVar

import msgspec

from telltale_gateway.frames import Frame
from telltale_gateway.hub import SECOND, Hub, Subscription
from telltale_gateway.window import LiveMessage
from telltale_shared.contracts import AnomalyDetected, Heartbeat, ReadingBatch, SeriesKey
from telltale_shared.contracts.stream import (
    Anomalies,
    Lag,
    Position,
    Readings,
    ServerMessage,
    Subscribe,
    Subscribed,
    System,
)

T = TypeVar("T")

NOW = 1_000 * SECOND
X, Y = SeriesKey("a", "x", "°C"), SeriesKey("a", "y")

_decode = msgspec.json.Decoder(ServerMessage).decode


def new_hub(*, queue_readings: int = 100) -> Hub:
    return Hub(history_seconds=60, history_readings=1_000, queue_readings=queue_readings)


def readings(first: int, count: int = 2, at: int = NOW) -> ReadingBatch:
    return ReadingBatch(
        producer="p",
        service="test",
        first=first,
        confirmed=0,
        published_at=at,
        series=[X, Y],
        index=[row % 2 for row in range(count)],
        observed_at=[at + row for row in range(count)],
        value=[float(first + row) for row in range(count)],
    )


def anomaly(value: float, at: int = NOW) -> AnomalyDetected:
    return AnomalyDetected(
        source="a",
        category="x",
        unit="°C",
        observed_at=at,
        value=value,
        score=9.0,
        expected_low=0.0,
        expected_high=1.0,
        kind="spike",
        detector="d",
        version="1",
        explanation="far off",
        detected_at=at,
    )


def heartbeat(at: int = NOW) -> Heartbeat:
    return Heartbeat(service="s", instance="i", version="1", started_at=0, at=at, health="ok", memory_bytes=1)


def take(hub: Hub, subscription: Subscription, now: int = NOW) -> list[ServerMessage]:
    return [_decode(frame.text) for frame in hub.take(subscription, now)]


def only(kind: type[T], messages: list[ServerMessage]) -> list[T]:
    return [message for message in messages if isinstance(message, kind)]


def test_frames_are_cut_where_the_kind_changes_and_each_names_how_far_it_reaches() -> None:
    hub = new_hub()
    subscription = hub.subscribe(Subscribe(), NOW)
    take(hub, subscription)
    messages: list[LiveMessage] = [readings(1), readings(3), anomaly(9.0), heartbeat(), readings(5)]
    for offset, message in enumerate(messages):
        hub.publish(message, offset, NOW)
    first, second, third, fourth = take(hub, subscription)
    assert isinstance(first, Readings)
    assert first.points.value == [1.0, 2.0, 3.0, 4.0]
    assert first.position == Position(offset=1, producer="p", first=3, at=NOW)
    assert isinstance(second, Anomalies)
    assert second.position.offset == 3
    assert isinstance(third, Readings)
    assert third.position.offset == 4
    assert isinstance(fourth, System)
    assert fourth.position.offset == 4


def test_subscribers_that_want_the_same_share_the_frame() -> None:
    hub = new_hub()
    wish = Subscribe(sources=["a"], categories=["x", "y"])
    same = Subscribe(sources=["a"], categories=["y", "x"], max_fps=5)
    subscriptions = [hub.subscribe(wish, NOW), hub.subscribe(same, NOW)]
    for subscription in subscriptions:
        take(hub, subscription)
    hub.publish(readings(1), 0, NOW)
    frames: list[list[Frame]] = [hub.take(subscription, NOW + wait) for wait, subscription in enumerate(subscriptions)]
    assert frames[0][0] is frames[1][0]


def test_a_slow_subscriber_gets_the_newest_values_and_is_told_what_it_missed() -> None:
    hub = new_hub(queue_readings=10)
    subscription = hub.subscribe(Subscribe(), NOW)
    take(hub, subscription)
    for delivery in range(6):
        hub.publish(readings(1 + 2 * delivery), delivery, NOW)
    hub.publish(anomaly(99.0), 6, NOW)
    lag, newest, anomalies = take(hub, subscription)
    assert lag == Lag(dropped=10)
    assert isinstance(newest, Readings)
    assert sorted(newest.points.value) == [11.0, 12.0]
    assert newest.position.offset == 6
    assert isinstance(anomalies, Anomalies)
    assert hub.dropped == 10
    hub.publish(readings(13), 7, NOW)
    assert [type(message) for message in take(hub, subscription)] == [Readings]


def test_history_is_told_in_steps_and_marked() -> None:
    hub = Hub(history_seconds=60, history_readings=100_000, queue_readings=100)
    for delivery in range(3):
        hub.publish(readings(1 + 4_000 * delivery, 4_000, NOW - 10 * SECOND), delivery, NOW)
    subscription = hub.subscribe(Subscribe(history="30s"), NOW)
    hub.publish(readings(12_001), 3, NOW)
    answer, first = take(hub, subscription)
    assert isinstance(answer, Subscribed)
    assert answer.series == [X, Y]
    assert isinstance(first, Readings)
    assert len(first.points.value) == 8_000
    assert hub.is_catching_up(subscription)
    (second,) = only(Readings, take(hub, subscription))
    assert second.history
    assert not hub.is_catching_up(subscription)
    (live,) = only(Readings, take(hub, subscription))
    assert not live.history
    assert live.points.value == [12_001.0, 12_002.0]


def test_history_reaches_back_as_far_as_asked() -> None:
    hub = new_hub()
    for age in (50, 40, 30, 20, 10):
        hub.publish(readings(100 - age, at=NOW - age * SECOND), 100 - age, NOW)
    subscription = hub.subscribe(Subscribe(history="35s"), NOW)
    answer, history = take(hub, subscription)
    assert isinstance(answer, Subscribed)
    assert answer.position is not None
    assert answer.position.offset == 60
    assert isinstance(history, Readings)
    assert history.points.value == [70.0, 71.0, 80.0, 81.0, 90.0, 91.0]


def test_an_unknown_position_names_the_gap() -> None:
    hub = new_hub()
    hub.publish(readings(1, at=NOW - 10 * SECOND), 500, NOW)
    gone = Position(offset=3, producer="p", first=1, at=NOW - 900 * SECOND)
    (answer, *_) = take(hub, hub.subscribe(Subscribe(history="1m", after=gone), NOW))
    assert isinstance(answer, Subscribed)
    assert not answer.recovered
    assert answer.gap is not None
    assert (answer.gap.start, answer.gap.end) == (NOW - 900 * SECOND, NOW - 10 * SECOND)


def test_another_message_at_the_same_offset_is_not_recognised() -> None:
    hub = new_hub()
    hub.publish(readings(1), 7, NOW)
    for known, after in (
        (True, Position(offset=7, producer="p", first=1)),
        (False, Position(offset=7, producer="p", first=2)),
        (False, Position(offset=7, producer="q", first=1)),
        (False, Position(offset=8, producer="p", first=1)),
    ):
        (answer, *_) = take(hub, hub.subscribe(Subscribe(after=after), NOW))
        assert isinstance(answer, Subscribed)
        assert answer.recovered is known


def test_nothing_remains_of_a_subscription() -> None:
    hub = new_hub()
    hub.publish(readings(1), 0, NOW)
    for history in ("0s", "1m"):
        hub.unsubscribe(hub.subscribe(Subscribe(sources=["a"], history=history), NOW))
    assert not hub._channels
    assert not hub._catching_up


def test_a_clock_that_runs_ahead_does_not_keep_old_entries() -> None:
    hub = new_hub()
    hub.publish(readings(1, at=NOW + 3_600 * SECOND), 0, NOW)
    hub.publish(readings(3, at=NOW + 61 * SECOND), 1, NOW + 61 * SECOND)
    assert hub.readings_held == 2
