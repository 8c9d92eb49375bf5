"""Who gets what of the live stream. Pure: no I/O, the time comes as an argument.

The window is the only copy of the stream; a subscription is a place in it. History, resuming and live are therefore
one thing, reading on from one's place, and there can be no seam between them. What a client still has to get costs
nothing but the window, so a slow client cannot make memory grow; it falls behind, and is then told the newest values
and how many it missed.

Those who want the same and keep up walk in step: they share one place, and each round tells all of them the same
frames. Everyone else has a place of their own, reads on from there with :meth:`Hub.take`, and falls in when they reach
the common one.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from telltale_gateway.channel import Channel, Place
from telltale_gateway.frames import FRAME_READINGS, Selection, complete, conflated, frame_of
from telltale_gateway.window import LiveMessage, Window
from telltale_gateway.wire import Frame
from telltale_shared.contracts.stream import Gap, Lag, Position, Subscribe, Subscribed

STEP_ENTRIES = 1_000
"""Entries of history looked through at one go, so that one client's history does not hold up the others."""

SECOND = 1_000_000
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND}


@dataclass(slots=True, eq=False)
class Subscription:
    """One client's place in the stream. Opaque to everyone but the hub."""

    channel: "Channel[Subscription]"
    key: Hashable
    place: Place
    """The channel's own while it walks in step."""
    live_from: int
    """What is before this sequence number is history."""
    answer: Frame | None
    lost: int = 0
    """Readings, anomalies and changes of alerts of history that left the window before they were told."""


def _key(wish: Subscribe) -> tuple[Selection, int]:
    """What makes a subscription the same as another one, wherever in the stream it begins."""
    return Selection(frozenset(wish.sources), frozenset(wish.categories)), wish.max_fps


@dataclass(frozen=True, slots=True)
class Round:
    """The same frames for all of ``keys``."""

    frames: list[Frame]
    keys: list[Hashable]
    """With which they subscribed."""


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
        self._channels: dict[tuple[Selection, int], Channel[Subscription]] = {}
        self._catching_up: set[Subscription] = set()
        self.dropped = 0
        """Readings, anomalies and changes of alerts that were not told to somebody who wanted them."""

    @property
    def readings_held(self) -> int:
        """Readings (and other messages) in the window."""
        return self._window.weight

    @property
    def newest(self) -> Position | None:
        """The position of the newest message."""
        return self._window.newest.position if self._window.newest else None

    @property
    def channels(self) -> int:
        """How many different subscriptions there are; frames are made once for each."""
        return len(self._channels)

    def publish(self, message: LiveMessage, offset: int, now: int) -> None:
        """Take the message found at ``offset`` of the stream; ``now`` in µs since 1970-01-01 UTC."""
        oldest = self._window.start
        gone = self._window.append(message, offset, now)
        for sequence, entry in enumerate(gone, oldest):
            for subscription in self._catching_up:
                if subscription.place.cursor <= sequence < subscription.live_from:
                    subscription.lost += subscription.channel.selection.count(entry)
                    subscription.place.cursor = sequence + 1
        newest = self._window[self._window.end - 1]
        for channel in self._channels.values():
            channel.published += channel.selection.count(newest)

    # --- coming and going

    def subscribe(self, wish: Subscribe, now: int, key: Hashable) -> Subscription:
        """A new subscription, which rounds know by ``key``; the first frame that it gets is the answer to the wish."""
        channel = self._channel(wish)
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
                (one for one in self._window.series if channel.selection.matches(one.source, one.category)),
                key=lambda one: (one.source, one.category),
            ),
            gap=gap,
        )
        common = channel.place
        if start <= common.cursor:
            place = Place(start, common.accounted)
        else:
            # The next round is due, and this client knows some of it already.
            known = self._window.between(start, self._window.end)
            place = Place(start, channel.published - sum(map(channel.selection.count, known)))
        subscription = Subscription(channel, key, place, max(start, common.cursor), frame_of(answer))
        if start < subscription.live_from:
            self._catching_up.add(subscription)
        return subscription

    def knows(self, wish: Subscribe) -> bool:
        """Whether somebody wants the same already."""
        return _key(wish) in self._channels

    def _channel(self, wish: Subscribe) -> Channel[Subscription]:
        key = _key(wish)
        if key not in self._channels:
            self._channels[key] = Channel(key[0], 1 / wish.max_fps, Place(self._window.end, 0))
        return self._channels[key]

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
        channel = subscription.channel
        self._catching_up.discard(subscription)
        channel.leave(subscription)
        channel.subscribers -= 1
        if not channel.subscribers:
            self._channels = {key: one for key, one in self._channels.items() if one is not channel}

    def fall_out(self, subscription: Subscription) -> None:
        """Rounds go on without ``subscription``, until it has taken what it missed."""
        if subscription.channel.leave(subscription):
            subscription.place = subscription.channel.place.copy()

    # --- those in step

    def next_round(self) -> float | None:
        """When the next round is due, by the clock of :meth:`rounds`; None: not before something is published."""
        end = self._window.end
        return min((one.due for one in self._channels.values() if one.place.cursor < end), default=None)

    def rounds(self, now: int, clock: float) -> Iterator[Round]:
        """What is due to be told, per group of subscriptions that get the same frames.

        Args:
            now: µs since 1970-01-01 UTC, for the frames.
            clock: seconds of a clock that never jumps, for the pace.
        """
        for channel in list(self._channels.values()):
            if channel.place.cursor < self._window.end and channel.due <= clock:
                channel.delay(clock)
                yield from self._round(channel, now)

    def _round(self, channel: Channel[Subscription], now: int) -> Iterator[Round]:
        target = Place(self._window.end, channel.published)
        groups = [(channel.place, channel.keys[:])] if channel.keys else []
        groups += [(one.place, [key]) for one, key in channel.ahead.items()]
        told = [Round(self._told(channel, place, target, now, heads=len(keys)), keys) for place, keys in groups]
        channel.place.move(target)
        for subscription in list(channel.ahead):
            self._fall_in(subscription)
        yield from told

    def _fall_in(self, subscription: Subscription) -> None:
        subscription.place = subscription.channel.place
        subscription.channel.join(subscription, subscription.key)

    # --- the others

    def is_behind(self, subscription: Subscription) -> bool:
        """Whether ``subscription`` has to :meth:`take` before rounds can tell it what happens."""
        return not subscription.channel.has(subscription)

    def take(self, subscription: Subscription, now: int) -> list[Frame]:
        """What ``subscription`` is to be told next, while it is behind; empty when nothing matched.

        As long as it catches up with history this is one step of it, and then all that has been told to those in step.
        """
        frames = []
        if subscription.answer is not None:
            frames.append(subscription.answer)
            subscription.answer = None
        channel, place = subscription.channel, subscription.place
        if subscription in self._catching_up:
            frames += self._take_history(subscription, now)
        elif place.cursor < channel.place.cursor:
            frames += self._told(channel, place, channel.place, now)
            place.move(channel.place)
        if subscription not in self._catching_up:
            if place.cursor == channel.place.cursor:
                self._fall_in(subscription)
            elif place.cursor > channel.place.cursor:
                channel.wait(subscription, subscription.key)
        return frames

    def _take_history(self, subscription: Subscription, now: int) -> list[Frame]:
        channel, start = subscription.channel, subscription.place.cursor
        end, weight = start, 0
        while end < subscription.live_from and end - start < STEP_ENTRIES and weight < FRAME_READINGS:
            weight += self._window[end].weight
            end += 1

        def make() -> list[Frame]:
            return complete(self._window.between(start, end), channel.selection, now, history=True)

        frames = self._lag(subscription.lost) + channel.frames(start, end, "history", make)
        subscription.lost, subscription.place.cursor = 0, end
        if end >= subscription.live_from:
            self._catching_up.discard(subscription)
        return frames

    def _told(
        self, channel: Channel[Subscription], place: Place, target: Place, now: int, *, heads: int = 1
    ) -> list[Frame]:
        """What lies between two places, or the newest of it when it is too much, for so many ``heads``."""
        window = self._window
        start, end = max(place.cursor, window.start), max(target.cursor, window.start)
        pending = target.accounted - place.accounted

        def make_all() -> list[Frame]:
            return complete(window.between(start, end), channel.selection, now, history=False)

        def make_newest() -> list[Frame]:
            newest_first = (window[sequence] for sequence in range(end - 1, start - 1, -1))
            return conflated(newest_first, channel.selection, window.series, now)

        if pending <= self._queue_readings:
            frames = channel.frames(start, end, "live", make_all)
        else:
            frames = channel.frames(start, end, "newest", make_newest)
        return self._lag(pending - sum(frame.told for frame in frames), heads=heads) + frames

    def _lag(self, dropped: int, *, heads: int = 1) -> list[Frame]:
        self.dropped += dropped * heads
        return [frame_of(Lag(dropped=dropped))] if dropped else []
