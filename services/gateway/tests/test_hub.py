"""What the hub does in particular cases."""

import itertools
from collections.abc import Hashable
from typing import TypeVar

import msgspec

from telltale_gateway.hub import SECOND, Hub, Subscription
from telltale_gateway.window import LiveMessage
from telltale_gateway.wire import Frame
from telltale_shared.contracts import AlertChanged, AnomalyDetected, ExpectedRanges, Heartbeat, ReadingBatch, SeriesKey
from telltale_shared.contracts.stream import (
    Alerts,
    Anomalies,
    Expected,
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


def alert(number: int, source: str = "a", state: str = "firing") -> AlertChanged:
    return AlertChanged(
        alert=f"hot {source}",
        number=number,
        rule="1",
        name="hot",
        kind="threshold",
        severity="warning",
        source=source,
        category=source and "x",
        unit=None,
        state=state,
        since=NOW,
        at=NOW,
        value=80.0,
        explanation="above 70",
    )


def heartbeat(at: int = NOW) -> Heartbeat:
    return Heartbeat(service="s", instance="i", version="1", started_at=0, at=at, health="ok", memory_bytes=1)


CLOCK = itertools.count(1.0)
KEYS = itertools.count()


def subscribe(hub: Hub, wish: Subscribe, now: int) -> Subscription:
    return hub.subscribe(wish, now, next(KEYS))


def keys(*subscriptions: Subscription) -> list[Hashable]:
    return [one.key for one in subscriptions]


def frames_for(hub: Hub, subscription: Subscription, now: int = NOW) -> list[Frame]:
    """Of the next step of a subscription that is behind, or of the next round."""
    if hub.is_behind(subscription):
        return hub.take(subscription, now)
    rounds = list(hub.rounds(now, next(CLOCK)))
    return [frame for one in rounds if subscription.key in one.keys for frame in one.frames]


def take(hub: Hub, subscription: Subscription, now: int = NOW) -> list[ServerMessage]:
    return [_decode(frame.payload) for frame in frames_for(hub, subscription, now)]


def only(kind: type[T], messages: list[ServerMessage]) -> list[T]:
    return [message for message in messages if isinstance(message, kind)]


def test_frames_are_cut_where_the_kind_changes_and_each_names_how_far_it_reaches() -> None:
    hub = new_hub()
    subscription = subscribe(hub, Subscribe(), NOW)
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


def test_subscribers_that_want_the_same_are_told_together() -> None:
    hub = new_hub()
    wishes = [
        Subscribe(sources=["a"], categories=["x", "y"]),
        Subscribe(sources=["a"], categories=["y", "x"], history="10s"),
        Subscribe(sources=["a"], categories=["x"]),
    ]
    one, same, other = (subscribe(hub, wish, NOW) for wish in wishes)
    for subscription in (one, same, other):
        take(hub, subscription)
    hub.publish(readings(1), 0, NOW)
    first, second = hub.rounds(NOW, next(CLOCK))
    assert (list(first.keys), list(second.keys)) == (keys(one, same), keys(other))
    assert hub.channels == 2


def test_rounds_keep_the_pace_that_was_asked_for() -> None:
    hub = new_hub()
    fast, slow = (subscribe(hub, Subscribe(max_fps=fps), NOW) for fps in (20, 4))
    for subscription in (fast, slow):
        take(hub, subscription)
    told = {fast.key: [0.0], slow.key: [0.0]}
    for tick in range(1_000):
        hub.publish(readings(1 + 2 * tick), tick, NOW)
        for one in hub.rounds(NOW, 5.0 + tick / 100):
            told[one.keys[0]].append(len(one.frames))
    assert 0.95 * 200 <= len(told[fast.key]) <= 202
    assert 0.95 * 40 <= len(told[slow.key]) <= 42


def test_what_comes_at_the_pace_is_told_at_once_also_after_it_was_late() -> None:
    hub = new_hub()
    take(hub, subscribe(hub, Subscribe(max_fps=10), NOW))
    for number, clock in enumerate((1.0, 1.102, 1.29, 1.3, 1.4, 1.5)):
        hub.publish(readings(1 + 2 * number), number, NOW)
        assert len(list(hub.rounds(NOW, clock))) == 1, clock
    hub.publish(readings(13), 6, NOW)
    assert not list(hub.rounds(NOW, 1.501)), "more than the pace"
    due = hub.next_round()
    assert due is not None
    assert 1.55 < due <= 1.6


def test_who_falls_out_is_told_the_rest_when_it_can_take_it_and_walks_on_in_step() -> None:
    hub = new_hub()
    slow, other = (subscribe(hub, Subscribe(), NOW) for _ in range(2))
    for subscription in (slow, other):
        take(hub, subscription)
    hub.fall_out(slow)
    for number in range(3):
        hub.publish(readings(1 + 2 * number), number, NOW)
        take(hub, other)
    (rest,) = only(Readings, take(hub, slow))
    assert rest.points.value == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    hub.publish(readings(7), 3, NOW)
    (together,) = hub.rounds(NOW, next(CLOCK))
    assert list(together.keys) == keys(other, slow)


def test_who_resumes_ahead_of_the_next_round_is_told_nothing_twice() -> None:
    hub = new_hub()
    other = subscribe(hub, Subscribe(), NOW)
    take(hub, other)
    for number in range(3):
        hub.publish(readings(1 + 2 * number), number, NOW)
    ahead = subscribe(hub, Subscribe(after=Position(offset=1, producer="p", first=3)), NOW)
    (answer,) = take(hub, ahead)
    assert isinstance(answer, Subscribed)
    assert answer.recovered
    told = {one.keys[0]: one.frames for one in hub.rounds(NOW, next(CLOCK))}
    values = {who: [_decode(frame.payload) for frame in frames] for who, frames in told.items()}
    assert only(Readings, values[other.key])[0].points.value == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert only(Readings, values[ahead.key])[0].points.value == [5.0, 6.0]
    hub.publish(readings(7), 3, NOW)
    (together,) = hub.rounds(NOW, next(CLOCK))
    assert list(together.keys) == keys(other, ahead)


def test_a_slow_subscriber_gets_the_newest_values_and_is_told_what_it_missed() -> None:
    hub = new_hub(queue_readings=10)
    slow, other = (subscribe(hub, Subscribe(), NOW) for _ in range(2))
    for subscription in (slow, other):
        take(hub, subscription)
    hub.fall_out(slow)
    for delivery in range(6):
        hub.publish(readings(1 + 2 * delivery), delivery, NOW)
        take(hub, other)
    hub.publish(anomaly(99.0), 6, NOW)
    take(hub, other)
    lag, newest, anomalies = take(hub, slow)
    assert lag == Lag(dropped=10)
    assert isinstance(newest, Readings)
    assert sorted(newest.points.value) == [11.0, 12.0]
    assert newest.position.offset == 6
    assert isinstance(anomalies, Anomalies)
    assert hub.dropped == 10
    hub.publish(readings(13), 7, NOW)
    assert [type(message) for message in take(hub, slow)] == [Readings]


def test_alerts_go_to_who_wants_their_series_and_those_about_the_system_to_everyone() -> None:
    hub = new_hub()
    here, elsewhere = (subscribe(hub, Subscribe(sources=[source]), NOW) for source in ("a", "b"))
    for subscription in (here, elsewhere):
        take(hub, subscription)
    for offset, message in enumerate((alert(1), alert(2, source=""), alert(3, state="resolved"))):
        hub.publish(message, offset, NOW)
    told = {one.keys[0]: [_decode(frame.payload) for frame in one.frames] for one in hub.rounds(NOW, next(CLOCK))}
    (all_of_them,) = only(Alerts, told[here.key])
    assert [item.number for item in all_of_them.items] == [1, 2, 3]
    assert all_of_them.position == Position(offset=2, producer="hot a", first=3, at=NOW)
    (of_the_system,) = only(Alerts, told[elsewhere.key])
    assert [item.number for item in of_the_system.items] == [2]


def expected(at: int) -> ExpectedRanges:
    return ExpectedRanges(
        detector="d",
        at=at,
        series=[X, SeriesKey("b", "x")],
        observed_at=[at - 1, at - 1],
        low=[1.0, 5.0],
        high=[2.0, 6.0],
    )


def test_expected_ranges_of_wanted_series_come_together_behind_the_readings() -> None:
    hub = new_hub()
    messages: list[LiveMessage] = [expected(NOW), readings(1), expected(NOW + 1), readings(3)]
    for offset, message in enumerate(messages):
        hub.publish(message, offset, NOW)
    subscription = subscribe(hub, Subscribe(sources=["a"], history="1m"), NOW)
    _, told, ranges = take(hub, subscription)
    assert isinstance(told, Readings)
    assert len(told.points.value) == 4
    assert isinstance(ranges, Expected)
    assert ranges.points.series == [X]
    assert ranges.points.observed_at == [NOW - 1, NOW]
    assert (ranges.points.low, ranges.points.high) == ([1.0, 1.0], [2.0, 2.0])
    assert ranges.position == told.position
    assert hub.dropped == 0


def test_a_slow_subscriber_gets_no_expected_ranges_and_misses_nothing_by_it() -> None:
    hub = new_hub(queue_readings=4)
    subscription = subscribe(hub, Subscribe(), NOW)
    take(hub, subscription)
    messages: list[LiveMessage] = [expected(NOW), readings(1, 6), expected(NOW)]
    for offset, message in enumerate(messages):
        hub.publish(message, offset, NOW)
    lag, newest = take(hub, subscription)
    assert lag == Lag(dropped=4)
    assert isinstance(newest, Readings)


def test_a_slow_subscriber_is_told_the_last_state_of_every_alert() -> None:
    hub = new_hub(queue_readings=4)
    subscription = subscribe(hub, Subscribe(), NOW)
    take(hub, subscription)
    states = ("pending", "firing", "acknowledged", "resolved")
    messages = [alert(2 * n + k, source, state) for n, state in enumerate(states) for k, source in enumerate("ab")]
    for offset, message in enumerate([*messages, alert(1)]):
        hub.publish(message, offset, NOW)
    lag, alerts = take(hub, subscription)
    assert lag == Lag(dropped=7)
    assert isinstance(alerts, Alerts)
    assert sorted((one.number, one.state) for one in alerts.items) == [(6, "resolved"), (7, "resolved")]


def test_a_burst_within_one_round_is_cut_short_for_everyone() -> None:
    hub = new_hub(queue_readings=10)
    both = [subscribe(hub, Subscribe(), NOW) for _ in range(2)]
    for subscription in both:
        take(hub, subscription)
    hub.publish(readings(1, 30), 0, NOW)
    (told,) = hub.rounds(NOW, next(CLOCK))
    lag, newest = (_decode(frame.payload) for frame in told.frames)
    assert lag == Lag(dropped=28)
    assert isinstance(newest, Readings)
    assert sorted(newest.points.value) == [29.0, 30.0]
    assert hub.dropped == 2 * 28


def test_history_is_told_in_steps_and_marked() -> None:
    hub = Hub(history_seconds=60, history_readings=100_000, queue_readings=100)
    for delivery in range(3):
        hub.publish(readings(1 + 4_000 * delivery, 4_000, NOW - 10 * SECOND), delivery, NOW)
    subscription = subscribe(hub, Subscribe(history="30s"), NOW)
    hub.publish(readings(12_001), 3, NOW)
    answer, first = take(hub, subscription)
    assert isinstance(answer, Subscribed)
    assert answer.series == [X, Y]
    assert isinstance(first, Readings)
    assert len(first.points.value) == 8_000
    assert hub.is_behind(subscription)
    (second,) = only(Readings, take(hub, subscription))
    assert second.history
    assert not hub.is_behind(subscription)
    (live,) = only(Readings, take(hub, subscription))
    assert not live.history
    assert live.points.value == [12_001.0, 12_002.0]


def test_history_reaches_back_as_far_as_asked() -> None:
    hub = new_hub()
    for age in (50, 40, 30, 20, 10):
        hub.publish(readings(100 - age, at=NOW - age * SECOND), 100 - age, NOW)
    subscription = subscribe(hub, Subscribe(history="35s"), NOW)
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
    (answer, *_) = take(hub, subscribe(hub, Subscribe(history="1m", after=gone), NOW))
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
        (answer, *_) = take(hub, subscribe(hub, Subscribe(after=after), NOW))
        assert isinstance(answer, Subscribed)
        assert answer.recovered is known


def test_nothing_remains_of_a_subscription() -> None:
    hub = new_hub()
    hub.publish(readings(1), 0, NOW)
    for history in ("0s", "1m"):
        hub.unsubscribe(subscribe(hub, Subscribe(sources=["a"], history=history), NOW))
    assert not hub._channels
    assert not hub._catching_up


def test_a_clock_that_runs_ahead_does_not_keep_old_entries() -> None:
    hub = new_hub()
    hub.publish(readings(1, at=NOW + 3_600 * SECOND), 0, NOW)
    hub.publish(readings(3, at=NOW + 61 * SECOND), 1, NOW + 61 * SECOND)
    assert hub.readings_held == 2
