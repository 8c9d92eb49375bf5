"""Entries of the window made into the frames that a subscription gets. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from telltale_gateway.window import Entry
from telltale_shared.contracts import AnomalyDetected, Heartbeat, ReadingBatch, SeriesKey
from telltale_shared.contracts.stream import (
    Anomalies,
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


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame, encoded once and shared by all that get it."""

    text: str
    told: int = 0
    """Readings or anomalies in it."""


def frame_of(message: ServerMessage, told: int = 0) -> Frame:
    """The frame that carries ``message``."""
    return Frame(_encode(message).decode(), told)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series are wanted; an empty set means all."""

    sources: frozenset[str]
    categories: frozenset[str]

    def matches(self, source: str, category: str) -> bool:
        return (not self.sources or source in self.sources) and (not self.categories or category in self.categories)

    def chooses(self, series: Sequence[SeriesKey]) -> list[bool]:
        """Per series, whether it is wanted."""
        return [self.matches(one.source, one.category) for one in series]

    def count(self, entry: Entry) -> int:
        """How many readings and anomalies of ``entry`` are wanted."""
        match entry.message:
            case ReadingBatch() as batch:
                chosen = self.chooses(batch.series)
                if all(chosen):
                    return batch.count
                return sum(map(chosen.__getitem__, batch.index)) if any(chosen) else 0
            case AnomalyDetected(source=source, category=category):
                return int(self.matches(source, category))
            case Heartbeat():
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

    def points(self) -> Points:
        return Points(
            series=list(self.places),
            index=self.index,
            observed_at=self.observed_at,
            value=self.value,
            published_at=self.published_at,
        )


class _Frames:
    """Frames under construction: each is closed with the position of the last entry that it accounts for."""

    def __init__(self, now: int, *, history: bool) -> None:
        self._now = now
        self._history = history
        self._open: _Columns | list[AnomalyDetected] | None = None
        self.made: list[Frame] = []

    def readings(self, reached: Position | None) -> _Columns:
        """Where further readings go; ``reached`` is the position of the entry before them."""
        if not isinstance(self._open, _Columns) or len(self._open.value) >= FRAME_READINGS:
            self.close(reached)
            self._open = _Columns()
        return self._open

    def anomalies(self, reached: Position | None) -> list[AnomalyDetected]:
        """Where further anomalies go; ``reached`` is the position of the entry before them."""
        if not isinstance(self._open, list):
            self.close(reached)
            self._open = []
        return self._open

    def close(self, reached: Position | None) -> None:
        """End the frame under construction, which accounts for everything up to ``reached``."""
        if self._open is None or reached is None:
            return
        message: Readings | Anomalies
        if isinstance(self._open, _Columns):
            told = len(self._open.value)
            points = self._open.points()
            message = Readings(position=reached, sent_at=self._now, points=points, history=self._history)
        else:
            told = len(self._open)
            message = Anomalies(position=reached, items=self._open, history=self._history)
        self.made.append(frame_of(message, told))
        self._open = None


def complete(entries: Iterable[Entry], selection: Selection, now: int, *, history: bool) -> list[Frame]:
    """Everything wanted of ``entries``, in order, coalesced into as few frames as that allows.

    Heartbeats tell a state, so only the newest of an instance comes, behind the rest.
    """
    frames = _Frames(now, history=history)
    heartbeats: dict[str, Heartbeat] = {}
    reached: Position | None = None
    for entry in entries:
        match entry.message:
            case ReadingBatch() as batch:
                chosen = selection.chooses(batch.series)
                if any(chosen[which] for which in batch.index):
                    frames.readings(reached).add(batch, chosen)
            case AnomalyDetected() as anomaly:
                if selection.matches(anomaly.source, anomaly.category):
                    frames.anomalies(reached).append(anomaly)
            case Heartbeat() as heartbeat:
                heartbeats[heartbeat.instance] = heartbeat
        reached = entry.position
    frames.close(reached)
    return frames.made + _systems(heartbeats, reached)


def conflated(
    newest_first: Iterable[Entry], selection: Selection, series: Sequence[SeriesKey], now: int
) -> list[Frame]:
    """Of ``newest_first`` only the newest reading of each series and the newest anomalies.

    Args:
        newest_first: entries, newest first.
        selection: what is wanted.
        series: every series that the entries may mention; once all wanted ones are found the search ends.
        now: µs since 1970-01-01 UTC.
    """
    missing = sum(selection.chooses(series))
    latest: dict[SeriesKey, tuple[int, float, int]] = {}
    anomalies: list[AnomalyDetected] = []
    heartbeats: dict[str, Heartbeat] = {}
    position: Position | None = None
    for entry in newest_first:
        position = position or entry.position
        match entry.message:
            case ReadingBatch() as batch if len(latest) < missing:
                _add_newest(batch, selection.chooses(batch.series), latest)
            case AnomalyDetected() as anomaly:
                if len(anomalies) < ANOMALIES_KEPT and selection.matches(anomaly.source, anomaly.category):
                    anomalies.append(anomaly)
            case Heartbeat() as heartbeat:
                heartbeats.setdefault(heartbeat.instance, heartbeat)
            case _:
                pass
    frames = _Frames(now, history=False)
    for one, newest in reversed(latest.items()):
        frames.readings(position).add_one(one, *newest)
    if anomalies:
        frames.anomalies(position).extend(reversed(anomalies))
    frames.close(position)
    return frames.made + _systems(heartbeats, position)


def _add_newest(batch: ReadingBatch, chosen: list[bool], latest: dict[SeriesKey, tuple[int, float, int]]) -> None:
    for row in range(batch.count - 1, -1, -1):
        series = batch.series[batch.index[row]]
        if chosen[batch.index[row]] and series not in latest:
            latest[series] = batch.observed_at[row], batch.value[row], batch.published_at


def _systems(heartbeats: dict[str, Heartbeat], position: Position | None) -> list[Frame]:
    if position is None:
        return []
    return [frame_of(System(position=position, event=heartbeat)) for heartbeat in heartbeats.values()]
