"""Lets one source at a time flow into the publisher; source, rate and pause can be changed while it runs."""

import asyncio
from collections.abc import Callable

from telltale_generator.publisher import ReadingPublisher
from telltale_generator.settings import SourceName
from telltale_generator.sources import Source

LEAST_WAIT = 0.05
"""Seconds between two looks at the source at least: at high rates readings of this time travel together."""
CHECK_AGAIN = 0.5
"""Seconds after which to look at the clock again at most: it may have been set."""


class Feed:
    """Asks the source what has fallen due and hands it on.

    Args:
        publisher: takes the readings.
        name: which source it is.
        source: the first source.
        rate: readings per second and series.
        clock: now, µs since 1970-01-01 UTC.
    """

    def __init__(
        self, publisher: ReadingPublisher, *, name: SourceName, source: Source, rate: float, clock: Callable[[], int]
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._changed = asyncio.Event()
        self.paused = False
        self.name = name
        self.source = source
        self.rate = rate

    def use(self, name: SourceName, source: Source) -> None:
        """Take readings from ``source`` from now on."""
        self.name = name
        self.source = source
        source.set_rate(self.rate)
        source.begin(self._clock())
        self._changed.set()

    def set_rate(self, rate: float) -> None:
        """Readings per second and series, from now on."""
        self.rate = rate
        self.source.set_rate(rate)
        self._changed.set()

    def pause(self, paused: bool) -> None:
        """Stop or go on; what would have been measured in between is left out."""
        if self.paused and not paused:
            self.source.begin(self._clock())
        self.paused = paused
        self._changed.set()

    async def run(self) -> None:
        """Feed until cancelled."""
        self.source.begin(self._clock())
        while True:
            self._changed.clear()
            if self.paused:
                await self._changed.wait()
                continue
            readings = self.source.due(self._clock())
            if readings:
                await self._publisher.offer(readings)
            await self._sleep()

    async def _sleep(self) -> None:
        now = self._clock()
        due = self.source.next_due(now)
        wait = CHECK_AGAIN if due is None else min(max((due - now) / 1e6, LEAST_WAIT), CHECK_AGAIN)
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return
