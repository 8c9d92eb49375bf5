"""Entries of the window made into the frames that a subscription gets. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from telltale_gateway.window import Entry, LiveMessage
from telltale_gateway.wire import Frame
from telltale_shared.contracts import (
    AlertChanged,
    AnomalyDetected,
    ExpectedRanges,
    Heartbeat,
    ReadingBatch,
    SeriesKey,
)
from telltale_shared.contracts.stream import (
    Alerts,
    Anomalies,
    Expected,
    ExpectedPoints,
    Points,
    Position,
    Readings,
    ServerMessage,
    System,
)

FRAME_READINGS = 5_000
"""A frame takes no further delivery once it holds this many readings."""
ANOMALIES_KEPT = 100
"""Of the anomalies that a slow client missed, so many of the newest are told."""

_encode = msgspec.json.Encoder().encode


def frame_of(message: ServerMessage, told: int = 0) -> Frame:
    """The frame that carries ``message``."""
    return Frame(_encode(message), told)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series are wanted; an empty set means all."""

    sources: frozenset[str]
    categories: frozenset[str]

    def matches(self, source: str, category: str) -> bool:
        return (not self.sources or source in self.sources) and (not self.categories or category in self.categories)

    def matches_alert(self, alert: AlertChanged) -> bool:
        """Whether ``alert`` is wanted; one that is about no series is everyone's concern."""
        return not alert.source or self.matches(alert.source, alert.category)

    def chooses(self, series: Sequence[SeriesKey]) -> list[bool]:
        """Per series, whether it is wanted."""
        if not self.sources and not self.categories:
            return [True] * len(series)
        return [self.matches(one.source, one.category) for one in series]

    def count(self, entry: Entry) -> int:
        """How many readings, anomalies and changes of alerts of ``entry`` are wanted."""
        match entry.message:
            case ReadingBatch() as batch:
                chosen = self.chooses(batch.series)
                if all(chosen):
                    return batch.count
                return sum(map(chosen.__getitem__, batch.index)) if any(chosen) else 0
            case AnomalyDetected(source=source, category=category):
                return int(self.matches(source, category))
            case AlertChanged() as alert:
                return int(self.matches_alert(alert))
            case ExpectedRanges() | Heartbeat():
                return 0


@dataclass(slots=True)
class _Columns:
    """Readings of several deliveries put together."""

    places: dict[SeriesKey, int] = field(default_factory=dict)
    index: list[int] = field(default_factory=list)
    observed_at: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    published_at: list[int] = field(default_factory=list)

    def place(self, series: SeriesKey) -> int:
        return self.places.setdefault(series, len(self.places))

    def add(self, batch: ReadingBatch, chosen: list[bool]) -> None:
        if all(chosen):
            places = [self.place(one) for one in batch.series]
            self.index += map(places.__getitem__, batch.index)
            self.observed_at += batch.observed_at
            self.value += batch.value
            self.published_at += [batch.published_at] * batch.count
            return
        for which, observed_at, value in zip(batch.index, batch.observed_at, batch.value, strict=True):
            if chosen[which]:
                self.add_one(batch.series[which], observed_at, value, batch.published_at)

    def add_one(self, series: SeriesKey, observed_at: int, value: float, published_at: int) -> None:
        self.index.append(self.place(series))
        self.observed_at.append(observed_at)
        self.value.append(value)
        self.published_at.append(published_at)

    def frame(self, reached: Position, now: int, *, history: bool) -> Frame:
        points = Points(
            series=list(self.places),
            index=self.index,
            observed_at=self.observed_at,
            value=self.value,
            published_at=self.published_at,
        )
        return frame_of(Readings(position=reached, sent_at=now, points=points, history=history), len(self.value))


@dataclass(slots=True)
class _Anomalies:
    items: list[AnomalyDetected] = field(default_factory=list)

    def frame(self, reached: Position, _: int, *, history: bool) -> Frame:
        return frame_of(Anomalies(position=reached, items=self.items, history=history), len(self.items))


@dataclass(slots=True)
class _Alerts:
    items: list[AlertChanged] = field(default_factory=list)

    def frame(self, reached: Position, _: int, *, history: bool) -> Frame:
        return frame_of(Alerts(position=reached, items=self.items, history=history), len(self.items))


@dataclass(slots=True)
class _Expected:
    """Expected ranges of several messages put together."""

    places: dict[SeriesKey, int] = field(default_factory=dict)
    index: list[int] = field(default_factory=list)
    observed_at: list[int] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, message: ExpectedRanges, chosen: list[bool]) -> None:
        rows = zip(chosen, message.series, message.observed_at, message.low, message.high, strict=True)
        for is_wanted, series, observed_at, low, high in rows:
            if is_wanted:
                self.index.append(self.places.setdefault(series, len(self.places)))
                self.observed_at.append(observed_at)
                self.low.append(low)
                self.high.append(high)

    def frames(self, reached: Position | None, *, history: bool) -> list[Frame]:
        if reached is None or not self.index:
            return []
        points = ExpectedPoints(
            series=list(self.places), index=self.index, observed_at=self.observed_at, low=self.low, high=self.high
        )
        return [frame_of(Expected(position=reached, points=points, history=history))]


class _Frames:
    """Frames under construction: each is closed with the position of the last entry that it accounts for."""

    def __init__(self, now: int, *, history: bool) -> None:
        self._now = now
        self._history = history
        self._open: _Columns | _Anomalies | _Alerts | None = None
        self.made: list[Frame] = []

    def readings(self, reached: Position | None) -> _Columns:
        """Where further readings go; ``reached`` is the position of the entry before them."""
        if not isinstance(self._open, _Columns) or len(self._open.value) >= FRAME_READINGS:
            self.close(reached)
            self._open = _Columns()
        return self._open

    def anomaly(self, item: AnomalyDetected, reached: Position | None) -> None:
        """Tell of an anomaly; ``reached`` is the position of the entry before it."""
        if not isinstance(self._open, _Anomalies):
            self.close(reached)
            self._open = _Anomalies()
        self._open.items.append(item)

    def alert(self, item: AlertChanged, reached: Position | None) -> None:
        """Tell of an alert; ``reached`` is the position of the entry before it."""
        if not isinstance(self._open, _Alerts):
            self.close(reached)
            self._open = _Alerts()
        self._open.items.append(item)

    def close(self, reached: Position | None) -> None:
        """End the frame under construction, which accounts for everything up to ``reached``."""
        if self._open is not None and reached is not None:
            self.made.append(self._open.frame(reached, self._now, history=self._history))
            self._open = None


def complete(entries: Iterable[Entry], selection: Selection, now: int, *, history: bool) -> list[Frame]:
    """Everything wanted of ``entries``, in order, coalesced into as few frames as that allows.

    Heartbeats tell a state, so only the newest of an instance comes, behind the rest. Expected ranges, too, which
    would cut readings into many frames, and are no loss where a connection ends between two.
    """
    frames = _Frames(now, history=history)
    expected = _Expected()
    heartbeats: dict[str, Heartbeat] = {}
    reached: Position | None = None
    for entry in entries:
        match entry.message:
            case ReadingBatch() as batch:
                chosen = selection.chooses(batch.series)
                if any(map(chosen.__getitem__, batch.index)):
                    frames.readings(reached).add(batch, chosen)
            case AnomalyDetected() as anomaly:
                if selection.matches(anomaly.source, anomaly.category):
                    frames.anomaly(anomaly, reached)
            case AlertChanged() as alert:
                if selection.matches_alert(alert):
                    frames.alert(alert, reached)
            case ExpectedRanges() as ranges:
                expected.add(ranges, selection.chooses(ranges.series))
            case Heartbeat() as heartbeat:
                heartbeats[heartbeat.instance] = heartbeat
        reached = entry.position
    frames.close(reached)
    return frames.made + expected.frames(reached, history=history) + _systems(heartbeats, reached)


def conflated(
    newest_first: Iterable[Entry], selection: Selection, series: Sequence[SeriesKey], now: int
) -> list[Frame]:
    """Of ``newest_first`` only the newest reading of each series, the newest anomalies and each alert's last change.

    Args:
        newest_first: entries, newest first.
        selection: what is wanted.
        series: every series that the entries may mention; once all wanted ones are found the search ends.
        now: µs since 1970-01-01 UTC.
    """
    newest = _Newest(selection, wanted=sum(selection.chooses(series)))
    position: Position | None = None
    for entry in newest_first:
        position = position or entry.position
        newest.look_at(entry.message)
    return newest.frames(position, now)


@dataclass(slots=True)
class _Newest:
    """What stays of messages that are looked at from the newest to the oldest."""

    selection: Selection
    wanted: int
    """Series to be found."""
    readings: dict[SeriesKey, tuple[int, float, int]] = field(default_factory=dict)
    anomalies: list[AnomalyDetected] = field(default_factory=list)
    alerts: dict[str, AlertChanged] = field(default_factory=dict)
    heartbeats: dict[str, Heartbeat] = field(default_factory=dict)

    def look_at(self, message: LiveMessage) -> None:
        match message:
            case ReadingBatch() as batch:
                if len(self.readings) < self.wanted:
                    self._add_readings(batch)
            case AnomalyDetected(source=source, category=category) as anomaly:
                if len(self.anomalies) < ANOMALIES_KEPT and self.selection.matches(source, category):
                    self.anomalies.append(anomaly)
            case AlertChanged(alert=which) as alert:
                if self.selection.matches_alert(alert) and self.alerts.setdefault(which, alert).number < alert.number:
                    self.alerts[which] = alert
            case ExpectedRanges():
                pass  # of readings that are left out
            case Heartbeat(instance=instance) as heartbeat:
                self.heartbeats.setdefault(instance, heartbeat)

    def _add_readings(self, batch: ReadingBatch) -> None:
        chosen = self.selection.chooses(batch.series)
        for row in range(batch.count - 1, -1, -1):
            series = batch.series[batch.index[row]]
            if chosen[batch.index[row]] and series not in self.readings:
                self.readings[series] = batch.observed_at[row], batch.value[row], batch.published_at

    def frames(self, position: Position | None, now: int) -> list[Frame]:
        """The frames that tell it; ``position`` is that of the first message looked at."""
        frames = _Frames(now, history=False)
        for series, newest in reversed(self.readings.items()):
            frames.readings(position).add_one(series, *newest)
        for anomaly in reversed(self.anomalies):
            frames.anomaly(anomaly, position)
        for alert in reversed(self.alerts.values()):
            frames.alert(alert, position)
        frames.close(position)
        return frames.made + _systems(self.heartbeats, position)


def _systems(heartbeats: dict[str, Heartbeat], position: Position | None) -> list[Frame]:
    if position is None:
        return []
    return [frame_of(System(position=position, event=heartbeat)) for heartbeat in heartbeats.values()]
