"""Any order of publishing, subscribing, reading, cutting and resuming tells everyone everything once, or owns up."""

import itertools
from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from telltale_gateway.frames import Selection
from telltale_gateway.hub import SECOND, Hub, Subscription
from telltale_gateway.wire import Frame
from telltale_shared.contracts import AlertChanged, AnomalyDetected, Heartbeat, ReadingBatch, SeriesKey
from telltale_shared.contracts.stream import (
    Alerts,
    Anomalies,
    Lag,
    Position,
    Readings,
    ServerMessage,
    Subscribe,
    Subscribed,
    System,
)

HISTORY_SECONDS, CAPACITY, QUEUE = 20, 40, 12
SERIES = [SeriesKey(source, category) for source in ("a", "b") for category in ("x", "y")]

READINGS = st.lists(st.integers(0, 3), min_size=1, max_size=6)
Kind = list[int] | SeriesKey | str | None
BURSTS = st.lists(
    READINGS | st.sampled_from(SERIES) | st.sampled_from(["", "a", "b"]) | st.none(), min_size=1, max_size=4
)
"""Deliveries of readings by their series, anomalies, alerts by their source (or of the system), heartbeats."""

_decode = msgspec.json.Decoder(ServerMessage).decode


@dataclass(frozen=True)
class Published:
    """What the test knows of one message: its values are unique, so they tell which reading it was."""

    at: int
    message: ReadingBatch | AnomalyDetected | AlertChanged | Heartbeat
    position: tuple[int, str, int]

    @property
    def weight(self) -> int:
        return self.message.count if isinstance(self.message, ReadingBatch) else 1

    def wanted(self, selection: Selection) -> list[float]:
        match self.message:
            case ReadingBatch() as batch:
                chosen = selection.chooses(batch.series)
                return [value for which, value in zip(batch.index, batch.value, strict=True) if chosen[which]]
            case AnomalyDetected() as anomaly:
                return [anomaly.value] if selection.matches(anomaly.source, anomaly.category) else []
            case AlertChanged(source=source, category=category, number=number):
                return [float(number)] if not source or selection.matches(source, category) else []
            case _:
                return []


@dataclass(eq=False)
class Client:
    wish: Subscribe
    subscription: Subscription
    position: Position | None = None
    """The last one received."""
    expected: list[float] = field(default_factory=list)
    """Values not received yet, of what those in step have been told."""
    waiting: list[float] = field(default_factory=list)
    """Values that come with the next round."""
    lagged: bool = False


class HubLaws(RuleBasedStateMachine):
    clients = Bundle("clients")
    cut_off = Bundle("cut_off")

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(history_seconds=HISTORY_SECONDS, history_readings=CAPACITY, queue_readings=QUEUE)
        self.now = 1_000 * SECOND
        self.window: list[Published] = []
        self.offset = 0
        self.number = 0.0
        self.open: list[Client] = []
        self.clock = 0.0
        self.keys = itertools.count()
        self.dropped = 0

    # --- the stream

    def _publish(
        self, message: ReadingBatch | AnomalyDetected | AlertChanged | Heartbeat, sender: str, first: int
    ) -> None:
        self.hub.publish(message, self.offset, self.now)
        self.window.append(Published(self.now, message, (self.offset, sender, first)))
        self.offset += 1
        while len(self.window) > 1 and (
            sum(one.weight for one in self.window) > CAPACITY or self.window[0].at < self.now - HISTORY_SECONDS * SECOND
        ):
            self.window.pop(0)
        for client in self.open:
            client.waiting += self.window[-1].wanted(client.subscription.channel.selection)

    @rule(kinds=BURSTS)
    def publish(self, kinds: list[Kind]) -> None:
        """Between two looks of a client all sorts of things may come."""
        for kind in kinds:
            match kind:
                case list() as rows:
                    self._publish_readings(rows)
                case SeriesKey() as series:
                    self._publish_anomaly(series)
                case str() as source:
                    self._publish_alert(source)
                case None:
                    self._publish_heartbeat()

    def _publish_readings(self, rows: list[int]) -> None:
        first = int(self.number)
        values = [self._next() for _ in rows]
        batch = ReadingBatch(
            producer="p",
            service="test",
            first=first,
            confirmed=0,
            published_at=self.now,
            series=SERIES,
            index=rows,
            observed_at=[self.now] * len(rows),
            value=values,
        )
        self._publish(batch, "p", first)

    def _publish_anomaly(self, series: SeriesKey) -> None:
        anomaly = AnomalyDetected(
            source=series.source,
            category=series.category,
            unit=None,
            observed_at=self.now,
            value=self._next(),
            score=9.0,
            expected_low=0.0,
            expected_high=1.0,
            kind="spike",
            detector="d",
            version="1",
            explanation="",
            detected_at=self.now,
        )
        self._publish(anomaly, "d", self.now)

    def _publish_alert(self, source: str) -> None:
        number = int(self._next())
        alert = AlertChanged(
            alert=f"of {source}",
            number=number,
            rule="1",
            name="hot",
            kind="threshold",
            severity="warning",
            source=source,
            category=source and "x",
            unit=None,
            state="firing",
            since=self.now,
            at=self.now,
            value=1.0,
            explanation="",
        )
        self._publish(alert, alert.alert, number)

    def _publish_heartbeat(self) -> None:
        heartbeat = Heartbeat(
            service="s", instance="i", version="1", started_at=0, at=self.now, health="ok", memory_bytes=1
        )
        self._publish(heartbeat, "i", self.now)

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def make_the_stream_anew(self) -> None:
        if not self.window:
            return
        # Nobody says the same at the same time in two streams.
        self.now += 1
        self.offset = 0
        self.window.clear()
        self._publish_heartbeat()

    def _next(self) -> float:
        self.number += 1
        return self.number

    # --- the clients

    @rule(
        target=clients,
        sources=st.sampled_from([[], ["a"], ["a", "b"]]),
        categories=st.sampled_from([[], ["x"]]),
        history=st.sampled_from(["0s", "5s", "1h"]),
    )
    def subscribe(self, sources: list[str], categories: list[str], history: str) -> Client:
        return self._subscribe(Subscribe(sources=sources, categories=categories, history=history))

    @rule(target=clients, gone=consumes(cut_off))
    def resume(self, gone: Client) -> Client:
        wish = msgspec.structs.replace(gone.wish, after=gone.position)
        client = self._subscribe(wish)
        if client.position is gone.position and not gone.lagged and gone.position is not None:
            # Recognised: exactly what it had not received, up to when it was cut, comes first.
            missed = gone.expected + gone.waiting
            assert (client.expected + client.waiting)[: len(missed)] == missed
        return client

    def _subscribe(self, wish: Subscribe) -> Client:
        client = Client(wish, self.hub.subscribe(wish, self.now, next(self.keys)))
        answer = client.subscription.answer
        assert answer is not None
        subscribed = _decode(answer.payload)
        assert isinstance(subscribed, Subscribed)
        after = wish.after
        known = [one.position for one in self.window]
        triple = None if after is None else (after.offset, after.producer, after.first)
        assert subscribed.recovered == (triple in known)
        if subscribed.recovered:
            start = known.index(triple) + 1  # type: ignore[arg-type]  # it is in the list
            assert subscribed.gap is None
            client.position = after
        else:
            seconds = {"0s": 0, "5s": 5, "1h": HISTORY_SECONDS}[wish.history]
            young = [n for n, one in enumerate(self.window) if one.at >= self.now - seconds * SECOND]
            start = young[0] if seconds and young else len(self.window)
            client.position = subscribed.position
        channel = client.subscription.channel
        next_round = max(start, len(self.window) - (self.hub._window.end - channel.place.cursor))
        for one in self.window[start:next_round]:
            client.expected += one.wanted(channel.selection)
        for one in self.window[next_round:]:
            client.waiting += one.wanted(channel.selection)
        self.open.append(client)
        return client

    @rule()
    def round(self) -> None:
        """Those in step are told what has happened."""
        for client, frames in self._round().items():
            self._receive(client, frames)

    def _round(self) -> dict[Client, list[Frame]]:
        self.clock += 1
        by_key = {client.subscription.key: client for client in self.open}
        told = {by_key[key]: one.frames for one in self.hub.rounds(self.now, self.clock) for key in one.keys}
        for client in self.open:
            client.expected += client.waiting
            client.waiting.clear()
        return told

    @rule(client=clients)
    def read(self, client: Client) -> None:
        if client in self.open and self.hub.is_behind(client.subscription):
            self._receive(client, self.hub.take(client.subscription, self.now))

    @rule(client=clients)
    def fall_out(self, client: Client) -> None:
        if client in self.open:
            self.hub.fall_out(client.subscription)
            assert self.hub.is_behind(client.subscription)

    @rule(client=clients)
    def read_all(self, client: Client) -> None:
        if client not in self.open:
            return
        while self.hub.is_behind(client.subscription):
            self._receive(client, self.hub.take(client.subscription, self.now))
        self.round()
        assert client.expected == client.waiting == []
        assert not self.hub.is_behind(client.subscription)
        assert self.hub.next_round() is None

    @rule(target=cut_off, client=consumes(clients), kinds=BURSTS, received=st.integers(0, 4))
    def cut(self, client: Client, kinds: list[Kind], received: int) -> Client:
        """The connection breaks after some frames of what was to be told."""
        if client in self.open:
            self.publish(kinds)
            if self.hub.is_behind(client.subscription):
                frames = self.hub.take(client.subscription, self.now)
            else:
                told = self._round()
                frames = told.pop(client, [])
                for other, its_frames in told.items():
                    self._receive(other, its_frames)
            lags = [one.dropped for frame in frames if isinstance(one := _decode(frame.payload), Lag)]
            client.lagged = bool(lags)
            if client.lagged:
                self.dropped += sum(lags)
            else:
                self._receive(client, frames[:received], whole=False)
            self.hub.unsubscribe(client.subscription)
            self.open.remove(client)
        return client

    def _receive(self, client: Client, frames: list[Frame], *, whole: bool = True) -> None:
        told: list[float] = []
        dropped = 0
        for frame in frames:
            match _decode(frame.payload):
                case Readings(points=points, position=position):
                    assert len(points.index) == len(points.value) == len(points.published_at) == frame.told
                    told += points.value
                    client.position = position
                case Anomalies(items=items, position=position):
                    told += [item.value for item in items]
                    client.position = position
                case Alerts(items=changes, position=position):
                    told += [float(change.number) for change in changes]
                    client.position = position
                case System(position=position):
                    client.position = position
                case Lag(dropped=count):
                    dropped += count
        self.dropped += dropped
        if not dropped:
            assert client.expected[: len(told)] == told
            del client.expected[: len(told)]
        elif whole and not self.hub.is_behind(client.subscription):
            assert len(client.expected) == len(told) + dropped
            assert set(told) <= set(client.expected)
            assert len(set(told)) == len(told)
            client.expected.clear()
        else:
            assert client.expected[dropped : dropped + len(told)] == told
            del client.expected[: dropped + len(told)]

    @invariant()
    def what_is_dropped_is_told(self) -> None:
        assert self.hub.dropped == self.dropped

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.hub.readings_held == sum(one.weight for one in self.window)


HubLaws.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHubLaws = HubLaws.TestCase
