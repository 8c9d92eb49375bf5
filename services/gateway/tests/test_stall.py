"""Who takes nothing is noticed in time, and who takes a little is left alone."""

import asyncio
import time

import pytest

from telltale_gateway.stall import StallWatch
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


class Unsent:
    """Bytes that wait, and when they were found to stall."""

    def __init__(self, size: int, seconds: float) -> None:
        self.size = size
        self.stalled_after: list[float] = []
        self._began = time.monotonic()
        self.watch = StallWatch(lambda: self.size, seconds, self._stalled)

    def _stalled(self) -> None:
        self.stalled_after.append(time.monotonic() - self._began)


async def test_taking_nothing_is_a_stall_even_when_more_comes() -> None:
    unsent = Unsent(100, 0.4)
    unsent.watch.start()
    for _ in range(8):
        await asyncio.sleep(0.1)
        unsent.size += 6
    (after,) = unsent.stalled_after
    assert after >= 0.4


async def test_taking_a_little_is_none() -> None:
    unsent = Unsent(100, 1.5)
    unsent.watch.start()
    for _ in range(12):
        await asyncio.sleep(0.2)
        unsent.size -= 1
    assert not unsent.stalled_after
    await eventually(lambda: len(unsent.stalled_after) == 1)


async def test_who_is_no_longer_watched_stalls_no_more() -> None:
    unsent = Unsent(100, 0.1)
    unsent.watch.start()
    unsent.watch.stop()
    unsent.watch.stop()
    await asyncio.sleep(0.3)
    assert not unsent.stalled_after
