"""Giving way: jobs leave the database to what comes in.

A job works in short steps and says after each how long it took. While readings wait for a writer, it then rests for a
multiple of that, so that it gets a fixed, small share of the time and still goes on. Otherwise it goes on at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

ReadingsWait = Callable[[], Awaitable[bool]]

REST = 4.0
"""Rest for each second of work while readings wait: a share of a fifth."""
LOOK_SECONDS = 0.1
"""How long one look counts."""
REST_MAX = 5.0
"""Seconds at a time, so that a slow step does not stop the job for long."""


class Pace:
    """How much of the time a job takes.

    Args:
        readings_wait: whether a writer has more to store than it can; without it nothing is given way to.
    """

    def __init__(self, readings_wait: ReadingsWait | None = None) -> None:
        self._readings_wait = readings_wait
        self._looked_at = float("-inf")
        self._resting = False

    async def rest(self, worked: float) -> None:
        """Rest after a step that took ``worked`` seconds, if readings wait."""
        if self._readings_wait is None:
            return
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._resting = await self._readings_wait()
        if self._resting:
            await asyncio.sleep(min(REST_MAX, worked * REST))
