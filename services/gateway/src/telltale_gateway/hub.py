"""Who gets what of the live stream. Pure: no I/O, the time comes as an argument.

The window is the only copy of the stream; a subscription is a place in it. History, resuming and live are therefore
one thing, reading on from one's place, and there can be no seam between them. What a client still has to get costs
nothing but the window, so a slow client cannot make memory grow; it falls behind, and is then told the newest values
and how many it missed.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from telltale_gateway.frames import FRAME_READINGS, Frame, Selection, complete, conflated, frame_of
from telltale_gateway.window import LiveMessage, Window
from telltale_shared.contracts.stream import Gap, Lag, Position, Subscribe, Subscribed

STEP_ENTRIES = 1_000
"""Entries of history looked through at one go, so that one client's history does not hold up the others."""
RANGES_KEPT = 4
"""Ranges whose frames are kept for the other subscribers; those that keep up all ask for the newest one."""

SECOND = 1_000_000
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND}


@dataclass(slots=True)
class Channel:
    """What all subscriptions with the same selection share."""

    selection: Selection
    subscribers: int = 0
    published: int = 0
    """Readings and anomalies that matched, since the channel exists."""
    _frames: OrderedDict[tuple[int, int, str], list[Frame]] = field(default_factory=OrderedDict)

    def frames(self, start: int, end: int, way: str, make: Callable[[], list[Frame]]) -> list[Frame]:
        """The frames of a range, made once."""
        key = (start, end, way)
        frames = self._frames.get(key)
        if frames is None:
            self._frames[key] = frames = make()
            if len(self._frames) > (RANGES_KEPT if self.subscribers > 1 else 0):
                self._frames.popitem(last=False)
        return frames


@dataclass(slots=True, eq=False)
class Subscription:
    """One client's place in the stream. Opaque to everyone but the hub."""

    channel: Channel
    cursor: int
    """Everything before this sequence number has been told."""
    live_from: int
    """What is before this sequence number is history."""
    accounted: int
    """Of what the channel published, so many were told or reported as dropped, once history is over."""
    answer: Frame | None
    lost: int = 0
    """Readings and anomalies of history that left the window before they were told."""


class Hub:
    """The window and the subscriptions to it."""

    def __init__(self, *, history_seconds: float, history_readings: int, queue_readings: int) -> None:
        """Nothing published, nobody subscribed.

        Args:
            history_seconds: age of the oldest entry kept.
            history_readings: readings kept at most.
            queue_readings: matching readings that a live client may be behind before it gets the newest values only.
        """
        self._history = int(history_seconds * SECOND)
        self._window = Window(max_age=self._history, capacity=history_readings)
        self._queue_readings = queue_readings
        self._channels: dict[Selection, Channel] = {}
        self._catching_up: set[Subscription] = set()
        self.dropped = 0
        """Readings and anomalies that were not told to somebody who wanted them."""

    @property
    def readings_held(self) -> int:
        """Readings (and other messages) in the window."""
        return self._window.weight

    @property
    def newest(self) -> Position | None:
        """The position of the newest message."""
        return self._window.newest.position if self._window.newest else None

    def publish(self, message: LiveMessage, offset: int, now: int) -> None:
        """Take the message found at ``offset`` of the stream; ``now`` in µs since 1970-01-01 UTC."""
        oldest = self._window.start
        gone = self._window.append(message, offset, now)
        for sequence, entry in enumerate(gone, oldest):
            for subscription in self._catching_up:
                if subscription.cursor <= sequence < subscription.live_from:
                    subscription.lost += subscription.channel.selection.count(entry)
                    subscription.cursor = sequence + 1
        newest = self._window[self._window.end - 1]
        for channel in self._channels.values():
            channel.published += channel.selection.count(newest)

    def subscribe(self, wish: Subscribe, now: int) -> Subscription:
        """A new subscription; the first frame that it gets is the answer to the wish."""
        selection = Selection(frozenset(wish.sources), frozenset(wish.categories))
        channel = self._channels.setdefault(selection, Channel(selection))
        channel.subscribers += 1
        recognised = None if wish.after is None else self._window.find(wish.after)
        if recognised is None:
            start, gap = self._from_history(wish, now)
        else:
            start, gap = recognised + 1, None
        answer = Subscribed(
            position=self._window[start - 1].position if start > self._window.start else None,
            recovered=recognised is not None,
            series=sorted(
                (one for one in self._window.series if selection.matches(one.source, one.category)),
                key=lambda one: (one.source, one.category),
            ),
            gap=gap,
        )
        end = self._window.end
        subscription = Subscription(channel, start, end, channel.published, frame_of(answer))
        if start < end:
            self._catching_up.add(subscription)
        return subscription

    def _from_history(self, wish: Subscribe, now: int) -> tuple[int, Gap | None]:
        seconds = int(wish.history[:-1]) * _UNITS[wish.history[-1]]
        start = self._window.since(now - min(seconds, self._history)) if seconds else self._window.end
        if wish.after is None:
            return start, None
        resumes_at = self._window[start].at if start < self._window.end else now
        left_at = wish.after.at
        if left_at is not None and left_at >= resumes_at:
            return start, None
        return start, Gap(start=left_at, end=resumes_at)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget ``subscription``."""
        self._catching_up.discard(subscription)
        subscription.channel.subscribers -= 1
        if not subscription.channel.subscribers:
            self._channels.pop(subscription.channel.selection, None)

    def is_behind(self, subscription: Subscription) -> bool:
        """Whether there may be something that ``subscription`` has not been told."""
        return subscription.answer is not None or subscription.cursor < self._window.end

    def is_catching_up(self, subscription: Subscription) -> bool:
        """Whether ``subscription`` still gets history."""
        return subscription in self._catching_up

    def take(self, subscription: Subscription, now: int) -> list[Frame]:
        """What ``subscription`` is to be told next; empty when nothing matched.

        While it catches up with history this is one step of it; afterwards it is everything up to now.
        """
        frames = []
        if subscription.answer is not None:
            frames.append(subscription.answer)
            subscription.answer = None
        if subscription in self._catching_up:
            return frames + self._take_history(subscription, now)
        return frames + self._take_live(subscription, now)

    def _take_history(self, subscription: Subscription, now: int) -> list[Frame]:
        channel, start = subscription.channel, subscription.cursor
        end, weight = start, 0
        while end < subscription.live_from and end - start < STEP_ENTRIES and weight < FRAME_READINGS:
            weight += self._window[end].weight
            end += 1

        def make() -> list[Frame]:
            return complete(self._window.between(start, end), channel.selection, now, history=True)

        frames = self._lag(subscription.lost) + channel.frames(start, end, "history", make)
        subscription.lost, subscription.cursor = 0, end
        if end >= subscription.live_from:
            self._catching_up.discard(subscription)
        return frames

    def _take_live(self, subscription: Subscription, now: int) -> list[Frame]:
        channel, window = subscription.channel, self._window
        start, end = max(subscription.cursor, window.start), window.end
        pending = channel.published - subscription.accounted

        def make_all() -> list[Frame]:
            return complete(window.between(start, end), channel.selection, now, history=False)

        def make_newest() -> list[Frame]:
            newest_first = (window[sequence] for sequence in range(end - 1, start - 1, -1))
            return conflated(newest_first, channel.selection, window.series, now)

        if pending <= self._queue_readings:
            frames = channel.frames(start, end, "live", make_all)
        else:
            frames = channel.frames(start, end, "newest", make_newest)
        subscription.cursor, subscription.accounted = end, channel.published
        return self._lag(pending - sum(frame.told for frame in frames)) + frames

    def _lag(self, dropped: int) -> list[Frame]:
        self.dropped += dropped
        return [frame_of(Lag(dropped=dropped))] if dropped else []
