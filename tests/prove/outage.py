"""The long outage: the database is away for minutes, and everything waits for it without growing."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.prove import evidence
from tests.prove.faults import Scene
from tests.prove.runner import Outcome, Runner
from tests.prove.schedule import Schedule, Step

from telltale_shared.database import DATABASE_ERRORS

BEFORE = 15.0
"""Seconds of load before the outage."""
SPEED = 50.0
"""How many times faster than it came the backlog must be stored."""
GROWTH = 64 * 2**20
"""Bytes that a process may grow by while the database is away: what it holds is bounded, not what waits."""
WATCHED = ("writer", "generator", "gateway", "detector")


@dataclass
class Drain:
    """What was seen while the database was away and while the backlog was stored."""

    rate: float
    away: float = 0.0
    """Seconds."""
    backlog: int = 0
    """Readings that waited when the database came back."""
    drained_in: float = float("inf")
    """Seconds from the first of them stored to the last."""
    memory: dict[str, list[int]] = field(default_factory=dict)
    """What each process had allocated, in bytes, sampled all along."""

    @property
    def speed(self) -> float:
        """How many times faster than it came the backlog was stored."""
        return self.backlog / self.drained_in / self.rate

    async def watch(self, scene: Scene) -> None:
        """Look at memory and ledger until the backlog is stored; then only at memory."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_memory(scene))
            tasks.create_task(self._watch_ledger(scene))

    async def _watch_memory(self, scene: Scene) -> None:
        while True:
            for name, (allocated, _) in (await asyncio.to_thread(scene.system.footprints)).items():
                if name in WATCHED:
                    self.memory.setdefault(name, []).append(allocated)
            await asyncio.sleep(5)

    async def _watch_ledger(self, scene: Scene) -> None:
        await asyncio.sleep(BEFORE / 2)
        settled = 0
        while True:  # until it is away
            try:
                settled = (await evidence.account(scene.engine, scene.load.name)).watermark
            except DATABASE_ERRORS:
                break
            await asyncio.sleep(0.2)
        gone = time.monotonic()
        while True:  # until the first of what waited is stored
            with suppress(*DATABASE_ERRORS):
                if (await evidence.account(scene.engine, scene.load.name)).watermark > settled:
                    break
            await asyncio.sleep(0.1)
        back, waiting = time.monotonic(), scene.load.last_number
        self.away, self.backlog = back - gone, waiting - settled
        while (await evidence.account(scene.engine, scene.load.name)).watermark < waiting:
            await asyncio.sleep(0.1)
        self.drained_in = time.monotonic() - back


async def long_outage(runner: Runner, minutes: float, rate: float) -> tuple[Outcome, Drain]:
    """Keep the database away for ``minutes``; the outcome's complaints include what grew or drained too slowly."""
    step = Step("database restarted", at=BEFORE, seconds=60 * minutes, draw=0)
    drain = Drain(rate)
    outcome = await runner.run(Schedule(0, series=8, readings_per_delivery=50, steps=(step,)), drain.watch)
    complaints = outcome.verdict.complaints
    if drain.speed < SPEED:
        complaints.append(f"the backlog was stored at {drain.speed:.0f} times real time only")
    for name, sizes in drain.memory.items():
        if (grown := max(sizes) - sizes[0]) > GROWTH:
            complaints.append(f"{name} grew by {grown / 2**20:.0f} MiB")
    return outcome, drain


def describe(drain: Drain) -> str:
    """A line for the report."""
    memory = ", ".join(
        f"{name} {sizes[0] / 2**20:.0f} → at most {max(sizes) / 2**20:.0f} MiB" for name, sizes in drain.memory.items()
    )
    return (
        f"the database was away for {drain.away:.0f} s; {drain.backlog:,} readings waited and were stored in"
        f" {drain.drained_in:.1f} s, {drain.speed:.0f} times as fast as they came\nmemory: {memory}"
    )
