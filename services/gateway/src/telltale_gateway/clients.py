"""All connections together: how many there may be, and when they look for something new."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from telltale_gateway import metrics
from telltale_shared.contracts.stream import MAX_FPS


class Clients:
    """The open connections, each with an event that tells it to look."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._wake_ups: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return len(self._wake_ups)

    @property
    def is_full(self) -> bool:
        """Whether no further connection may be served."""
        return len(self._wake_ups) >= self._limit

    @contextmanager
    def joined(self, wake_up: asyncio.Event) -> Iterator[None]:
        """Count a connection, and wake it when there is something new, as long as the block runs."""
        self._wake_ups.add(wake_up)
        metrics.CLIENTS.set(len(self))
        try:
            yield
        finally:
            self._wake_ups.discard(wake_up)
            metrics.CLIENTS.set(len(self))

    async def run(self, arrived: asyncio.Event) -> None:
        """Wake everyone when ``arrived`` is set: the first time at once, then at the common frame rate.

        All take the same range of the stream this way, so its frames are made once.
        """
        while True:
            await arrived.wait()
            arrived.clear()
            for wake_up in self._wake_ups:
                wake_up.set()
            await asyncio.sleep(1 / MAX_FPS)
