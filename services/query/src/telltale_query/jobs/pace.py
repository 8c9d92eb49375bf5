"""Giving way: jobs leave the database to what comes in.

A job works in short steps and says after each how long it took. While readings wait for the writer, it then rests for a
multiple of that, so that it gets a fixed, small share of the time. Without a backlog it goes on at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

Waiting = Callable[[], Awaitable[int | None]]
"""Deliveries that wait to be stored, or None where nobody knows."""

REST = 4.0
"""Rest for each second of work while readings wait: a share of a fifth."""
LOOK_SECONDS = 0.5
"""How long one look at the queues counts."""
REST_MAX = 5.0
"""Seconds at a time, so that a slow step does not stop the job for long."""


class Pace:
    """How much of the time a job takes.

    Args:
        waiting: looks at the queues; without it nothing is given way to.
    """

    def __init__(self, waiting: Waiting | None = None) -> None:
        self._waiting = waiting
        self._looked_at = float("-inf")
        self._backlog = False

    async def rest(self, worked: float) -> None:
        """Rest after a step that took ``worked`` seconds, if readings wait."""
        if self._waiting is None:
            return
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._backlog = bool(await self._waiting())
        if self._backlog:
            await asyncio.sleep(min(REST_MAX, worked * REST))
