"""Long computations beside the event loop: in a thread of their own, which asks the loop for whatever needs I/O."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(Exception):
    """The computation is no longer wanted."""


class Loop:
    """The event loop, as a thread beside it sees it. Methods are called in that thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = False

    def stop(self) -> None:
        """End the computation at its next call. Called in the loop."""
        self._stopped = True

    def begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin ``work`` in the loop.

        Raises:
            Stopped: the computation is no longer wanted.
        """
        if self._stopped:
            work.close()
            raise Stopped
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do ``work`` in the loop and wait for it.

        Raises:
            Stopped: the computation is no longer wanted.
        """
        return self.begin(work).result()


async def compute(function: Callable[[Loop], Result]) -> Result:
    """Run ``function`` in a thread. Cancelled, it waits until the thread has stopped at its next call of the loop."""
    loop = Loop()
    thread = asyncio.ensure_future(asyncio.to_thread(function, loop))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        loop.stop()
        with suppress(Exception):
            await thread
        raise
