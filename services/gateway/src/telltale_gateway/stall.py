"""Notices a client that takes nothing of what was sent to it."""

import asyncio
from collections.abc import Callable

LOOKS = 10
"""So often within the time allowed."""


class StallWatch:
    """Watches what waits for one client; of one that takes a little now and then, nothing is said."""

    def __init__(self, unsent: Callable[[], int], seconds: float, on_stall: Callable[[], None]) -> None:
        """``unsent`` tells how many bytes wait; ``on_stall`` is called when none was taken for ``seconds``."""
        self._unsent = unsent
        self._seconds = seconds
        self._on_stall = on_stall
        self._timer: asyncio.TimerHandle | None = None
        self._least = 0
        self._progress_at = 0.0

    def start(self) -> None:
        """Watch from now on."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._least, self._progress_at = self._unsent(), loop.time()
        self._timer = loop.call_later(self._seconds / LOOKS, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        unsent = self._unsent()
        if unsent < self._least:
            self._least, self._progress_at = unsent, loop.time()
        if loop.time() - self._progress_at >= self._seconds:
            self._timer = None
            self._on_stall()
        else:
            self._timer = loop.call_later(self._seconds / LOOKS, self._look)
