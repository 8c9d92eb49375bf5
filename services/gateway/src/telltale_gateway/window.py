"""The newest part of the live stream, in memory. Pure: no I/O, the time comes as an argument."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from telltale_shared.contracts import (
    AlertChanged,
    AnomalyDetected,
    ExpectedRanges,
    Heartbeat,
    ReadingBatch,
    SeriesKey,
)
from telltale_shared.contracts.stream import Position

LiveMessage = ReadingBatch | AnomalyDetected | AlertChanged | ExpectedRanges | Heartbeat


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the stream."""

    position: Position
    at: int
    """When it was published, µs since 1970-01-01 UTC; never earlier than the entry before it."""
    message: LiveMessage

    @property
    def weight(self) -> int:
        """How much of the window's capacity it takes."""
        match self.message:
            case ReadingBatch() as batch:
                return max(1, batch.count)
            case ExpectedRanges(series=series):
                return max(1, len(series))
            case _:
                return 1


def position_of(message: LiveMessage, offset: int) -> Position:
    """The position of ``message``, found at ``offset`` of the stream."""
    match message:
        case ReadingBatch(producer=producer, first=first, published_at=at):
            return Position(offset=offset, producer=producer, first=first, at=at)
        case AnomalyDetected(detector=detector, detected_at=at):
            return Position(offset=offset, producer=detector, first=at, at=at)
        case AlertChanged(alert=alert, number=number, at=at):
            return Position(offset=offset, producer=alert, first=number, at=at)
        case ExpectedRanges(detector=detector, at=at):
            return Position(offset=offset, producer=detector, first=at, at=at)
        case Heartbeat(instance=instance, at=at):
            return Position(offset=offset, producer=instance, first=at, at=at)


def series_of(message: LiveMessage) -> list[SeriesKey]:
    """The series that ``message`` mentions."""
    match message:
        case ReadingBatch(series=series):
            return series
        case AnomalyDetected(source=source, category=category, unit=unit):
            return [SeriesKey(source, category, unit)]
        case AlertChanged() | ExpectedRanges() | Heartbeat():
            return []


class Window:
    """Entries in the order of the stream, bounded by age and by readings.

    Each entry has a sequence number of its own, which goes on rising when the stream is made anew and its offsets
    begin again.
    """

    def __init__(self, *, max_age: int, capacity: int) -> None:
        """``max_age`` in µs; ``capacity`` in readings."""
        self._max_age = max_age
        self._capacity = capacity
        self._entries: deque[Entry] = deque()
        self._start = 0
        self._weight = 0
        self._mentions: Counter[SeriesKey] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def start(self) -> int:
        """Sequence number of the oldest entry."""
        return self._start

    @property
    def end(self) -> int:
        """Sequence number that the next entry will get."""
        return self._start + len(self._entries)

    @property
    def weight(self) -> int:
        """Readings (and other messages) held."""
        return self._weight

    @property
    def series(self) -> list[SeriesKey]:
        """Every series mentioned in the window."""
        return list(self._mentions)

    @property
    def newest(self) -> Entry | None:
        return self._entries[-1] if self._entries else None

    def __getitem__(self, sequence: int) -> Entry:
        if not self._start <= sequence < self.end:
            raise IndexError(sequence)
        return self._entries[sequence - self._start]

    def between(self, start: int, end: int) -> Iterator[Entry]:
        """The entries ``start … end - 1``, which must all be in the window."""
        return (self[sequence] for sequence in range(start, end))

    def append(self, message: LiveMessage, offset: int, now: int) -> list[Entry]:
        """Add the message found at ``offset``; return the entries that had to go, oldest first."""
        position = position_of(message, offset)
        newest = self.newest
        gone = self._clear() if newest is not None and offset <= newest.position.offset else []
        # A clock that runs ahead, or jumps, must not keep old entries alive.
        at = min(position.at or now, now)
        entry = Entry(position, at if newest is None else max(at, newest.at), message)
        self._entries.append(entry)
        self._weight += entry.weight
        self._mentions.update(set(series_of(message)))
        return gone + self.expire(now)

    def expire(self, now: int) -> list[Entry]:
        """Drop what is too old or too much; return it, oldest first. The newest entry always stays."""
        gone = []
        while len(self._entries) > 1 and (self._weight > self._capacity or self._entries[0].at < now - self._max_age):
            gone.append(self._pop())
        return gone

    def _clear(self) -> list[Entry]:
        return [self._pop() for _ in range(len(self._entries))]

    def _pop(self) -> Entry:
        entry = self._entries.popleft()
        self._start += 1
        self._weight -= entry.weight
        for series in set(series_of(entry.message)):
            self._mentions[series] -= 1
            if not self._mentions[series]:
                del self._mentions[series]
        return entry

    def find(self, position: Position) -> int | None:
        """Sequence number of the entry that ``position`` means, or None when something else, or nothing, is there."""
        index = bisect_left(self._entries, position.offset, key=lambda entry: entry.position.offset)
        if index == len(self._entries):
            return None
        found = self._entries[index].position
        wanted = (position.offset, position.producer, position.first)
        return self._start + index if (found.offset, found.producer, found.first) == wanted else None

    def since(self, instant: int) -> int:
        """Sequence number of the first entry published at ``instant`` (µs) or later."""
        return self._start + bisect_left(self._entries, instant, key=lambda entry: entry.at)
