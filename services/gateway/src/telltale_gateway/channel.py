"""What all subscriptions with the same wish share. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from telltale_gateway.frames import Selection
from telltale_gateway.wire import Frame

RANGES_KEPT = 4
"""Ranges whose frames are kept for others that come by; those that fell behind together ask for the same one."""

Member = TypeVar("Member", bound=Hashable)


@dataclass(slots=True)
class Place:
    """How far somebody has been told."""

    cursor: int
    """Everything before this sequence number has been told."""
    accounted: int
    """Of what the channel published, so many were told or reported as dropped."""

    def copy(self) -> "Place":
        return Place(self.cursor, self.accounted)

    def move(self, target: "Place") -> None:
        """Go to where ``target`` is."""
        self.cursor, self.accounted = target.cursor, target.accounted


@dataclass(slots=True, eq=False)
class Channel(Generic[Member]):
    """One selection at one frame rate: its members, and how far those in step have been told."""

    selection: Selection
    interval: float
    """Seconds from round to round at least."""
    place: Place
    subscribers: int = 0
    published: int = 0
    """Readings, anomalies and changes of alerts that matched, since the channel exists."""
    due: float = 0.0
    """No round before this time."""
    keys: list[Hashable] = field(default_factory=list)
    """By which the caller knows those in step."""
    ahead: dict[Member, Hashable] = field(default_factory=dict)
    """Those who knew some of the coming round before they came, with their keys: they fall in with it."""
    _order: list[Member] = field(default_factory=list)
    _places: dict[Member, int] = field(default_factory=dict)
    """Where a member stands in the order and its key in the keys."""
    _frames: OrderedDict[tuple[int, int, str], list[Frame]] = field(default_factory=OrderedDict)

    def has(self, member: Member) -> bool:
        """Whether rounds tell ``member`` what happens."""
        return member in self._places or member in self.ahead

    def join(self, member: Member, key: Hashable) -> None:
        self.ahead.pop(member, None)
        self._places[member] = len(self._order)
        self._order.append(member)
        self.keys.append(key)

    def wait(self, member: Member, key: Hashable) -> None:
        self.ahead[member] = key

    def leave(self, member: Member) -> bool:
        """Rounds go on without ``member``; tells whether it had been in step."""
        self.ahead.pop(member, None)
        place = self._places.pop(member, None)
        if place is None:
            return False
        last, key = self._order.pop(), self.keys.pop()
        if last is not member:
            self._order[place], self.keys[place] = last, key
            self._places[last] = place
        return True

    def delay(self, clock: float) -> None:
        """A round takes place at ``clock``: set when the next one may.

        A round that is late by up to an interval does not put off those after it, or what comes at just this rate would
        be told late for ever. So there may be two at once, but never more in the long run.
        """
        self.due = max(self.due, clock - self.interval) + self.interval

    def frames(self, start: int, end: int, way: str, make: Callable[[], list[Frame]]) -> list[Frame]:
        """The frames of a range, made once."""
        key = (start, end, way)
        frames = self._frames.get(key)
        if frames is None:
            self._frames[key] = frames = make()
            if len(self._frames) > (RANGES_KEPT if self.subscribers > 1 else 0):
                self._frames.popitem(last=False)
        return frames
