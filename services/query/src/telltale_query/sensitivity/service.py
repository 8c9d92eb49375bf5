"""Trying a sensitivity: the detector's model over stored readings of one series, in a process beside this one."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np

from telltale_shared.detection.explain import Anomaly
from telltale_shared.detection.model import Model, Readings
from telltale_shared.detection.state import Kind
from telltale_shared.errors import Unavailable

READINGS_MAX = 10_000
"""Readings at most in one trial, the newest of the range: about 3 seconds of work."""
TIMEOUT = 14.0
"""Seconds, waiting for one's turn included: the UI waits for 15."""


def replay(
    source: str, category: str, unit: str | None, at: Sequence[int], value: Sequence[float], limits: dict[Kind, float]
) -> list[Anomaly]:
    """What the model, new to the series, marks among its readings in the order of time."""
    model = Model()
    row = model.table.row(source, category, unit)
    if row is None or not at:
        return []
    model.table.set_limits(row, limits)
    rows = np.full(len(at), row, dtype=np.int64)
    found = model.score(Readings(rows, np.array(at, dtype=np.int64), np.array(value, dtype=np.float64))).anomalies
    return found + model.flush(2**62)


class Trials:
    """Runs :func:`replay`, one at a time, where it cannot hold up requests: it keeps a core busy for seconds."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._one = asyncio.Semaphore(1)

    async def run(
        self, source: str, category: str, unit: str | None, at: list[int], value: list[float], limits: dict[Kind, float]
    ) -> list[Anomaly]:
        """The anomalies that would have been marked.

        Raises:
            Unavailable: others are trying something, or it took too long.
        """
        try:
            async with asyncio.timeout(TIMEOUT), self._one:
                if self._pool is None:
                    # Spawned, not forked: the parent has threads and open connections.
                    self._pool = ProcessPoolExecutor(1, get_context("spawn"))
                work = self._pool.submit(replay, source, category, unit, at, value, limits)
                return await asyncio.wrap_future(work)
        except TimeoutError as error:
            raise Unavailable("trying this takes too long right now: choose a shorter range") from error
        except BrokenProcessPool as error:
            self._pool = None
            raise Unavailable("the trial was interrupted: try again") from error

    def close(self) -> None:
        """Ends the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
