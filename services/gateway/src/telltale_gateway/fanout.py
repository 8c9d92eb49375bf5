"""Carries the hub's rounds to the sockets: when one is due, its bytes are made once and written to every member."""

import asyncio
import time
from collections.abc import Hashable

from telltale_gateway import metrics
from telltale_gateway.hub import Hub, Round, Subscription
from telltale_gateway.outlet import Outlet, tell_all
from telltale_gateway.wire import Parcel
from telltale_shared.contracts.stream import Subscribe
from telltale_shared.system_events import now_us

COMPANY_SECONDS = 0.05
"""How long a round that had to wait for its time waits beyond it for what comes next, which then sets it off at once.

Without this a heartbeat between the readings of a source that is as fast as the rounds would move their times for
ever: each delivery would wait for a part of the interval. So two go together once, and those after them need not wait.
"""


class Fanout:
    """The subscriptions with the sockets behind them."""

    def __init__(self, hub: Hub, max_subscriptions: int) -> None:
        """``max_subscriptions`` bounds how many different ones there are: frames are made for each of them."""
        self.hub = hub
        self._max_subscriptions = max_subscriptions
        self._outlets: dict[Hashable, Outlet] = {}

    def has_room(self, wish: Subscribe) -> bool:
        """Whether ``wish`` may be granted: others have the same, or there are not too many different ones."""
        return self.hub.knows(wish) or self.hub.channels < self._max_subscriptions

    def subscribe(self, wish: Subscribe, outlet: Outlet) -> Subscription:
        """Subscribe; ``outlet`` gets the rounds as long as the subscription is in step."""
        subscription = self.hub.subscribe(wish, now_us(), outlet.key)
        self._outlets[outlet.key] = outlet
        metrics.SUBSCRIPTIONS.set(self.hub.channels)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End ``subscription``."""
        del self._outlets[subscription.key]
        self.hub.unsubscribe(subscription)
        metrics.SUBSCRIPTIONS.set(self.hub.channels)

    def is_behind(self, subscription: Subscription) -> bool:
        """Whether ``subscription`` has to :meth:`take` before rounds can tell it what happens."""
        return self.hub.is_behind(subscription)

    def fall_out(self, subscription: Subscription) -> None:
        """Rounds go on without ``subscription``, until it has taken what it missed."""
        self.hub.fall_out(subscription)

    def take(self, subscription: Subscription) -> Parcel:
        """What a subscription that is behind gets next."""
        dropped = self.hub.dropped
        parcel = Parcel(self.hub.take(subscription, now_us()))
        metrics.DROPPED.inc(self.hub.dropped - dropped)
        metrics.FRAMES.inc(len(parcel.frames))
        return parcel

    async def run(self, arrived: asyncio.Event) -> None:
        """Hold the rounds for ever: at once when ``arrived`` is set after a pause, and then when each is due."""
        while True:
            await self._next(arrived)
            dropped = self.hub.dropped
            # Not a step may come between a round and its writing: whose connection ends leaves it at once.
            for one in self.hub.rounds(now_us(), time.monotonic()):
                self._tell(one)
            metrics.DROPPED.inc(self.hub.dropped - dropped)

    async def _next(self, arrived: asyncio.Event) -> None:
        """Wait until something has arrived for which a round may be due, or one is overdue by COMPANY_SECONDS."""
        due = self.hub.next_round()
        if due is None:
            await arrived.wait()
        elif (delay := due - time.monotonic()) > 0:
            timer = asyncio.get_running_loop().call_later(delay + COMPANY_SECONDS, arrived.set)
            try:
                await arrived.wait()
            finally:
                timer.cancel()
        arrived.clear()

    def _tell(self, told: Round) -> None:
        if not told.frames:
            return
        tell_all(told.keys, self._outlets, Parcel(told.frames))
        metrics.FRAMES.inc(len(told.frames) * len(told.keys))
        if (newest := self.hub.newest) is not None and newest.at is not None:
            metrics.AGE_SECONDS.observe(max(0, now_us() - newest.at) / 1e6)
