"""Runs one schedule: a load, its faults, the wait until all is at rest, and the verdict."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove import evidence
from tests.prove.checker import Verdict, check
from tests.prove.faults import FAULTS, Scene
from tests.prove.lists import Lists, read_attempted, read_confirmed
from tests.prove.live import Watcher
from tests.prove.load import Broker, Load
from tests.prove.posts import Posts
from tests.prove.proxy import Proxy
from tests.prove.schedule import Schedule, Step
from tests.prove.system import System

AFTERWARDS = 1.0
"""Seconds of load after the last recovery."""
RECOVERY_PATIENCE = 90.0
CONFIRM_PATIENCE = 90.0
REST_PATIENCE = 30.0
LIVE_GAP = 5.0
"""Seconds without a reading on the live feed that count as standing still, on a machine that is busy with all this."""
LOAD_LINK = "load/rabbitmq"
LINKS = (
    *(f"{process}/mariadb" for process in ("alerts", "auth", "jobs", "query", "writer")),
    *(
        f"{process}/rabbitmq"
        for process in (
            "alerts",
            "auth",
            "detector",
            "gateway",
            "generator",
            "generator-host",
            "jobs",
            "query",
            "writer",
        )
    ),
    LOAD_LINK,
)
"""What a proxy stands between."""


@dataclass
class Outcome:
    """What came of one schedule."""

    schedule: Schedule
    verdict: Verdict
    recovery: dict[str, float] = field(default_factory=dict)
    """Seconds from the end of each fault until readings measured after it are stored and those hurt are ready."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing was lost and nothing came twice."""
        return self.verdict.holds


Beside = Callable[[Scene], Coroutine[None, None, None]]


class Runner:
    """Runs schedules one after the other on one stack, each with a producer and series of its own."""

    def __init__(
        self, system: System, engine: AsyncEngine, links: dict[str, Proxy], folder: Path, *, rate: float
    ) -> None:
        self._system = system
        self._engine = engine
        self._links = links
        self._folder = folder
        self._rate = rate

    async def run(self, schedule: Schedule, beside: Beside | None = None) -> Outcome:
        """Run ``schedule`` and judge it; ``beside`` runs meanwhile and is cancelled when all is at rest."""
        begun = time.monotonic()
        tag = f"{schedule.seed}-{time.time_ns() // 1_000_000:x}"
        broker = Broker(self._system.amqp_url(self._links[LOAD_LINK].port))
        complaints: list[str] = []
        recovery: dict[str, float] = {}
        async with AsyncExitStack() as stack:
            stack.push_async_callback(broker.close)
            lists = stack.enter_context(closing(Lists(self._folder / f"prove-{tag}")))
            load = Load(
                broker, lists, name=f"prove-{tag}", rate=self._rate, series=schedule.series,
                per_delivery=schedule.readings_per_delivery, seed=schedule.seed,
            )  # fmt: skip
            lists = stack.enter_context(closing(Lists(self._folder / f"posted-{tag}")))
            posts = Posts(self._system, lists, name=f"posted-{tag}", seed=schedule.seed)
            scene = Scene(self._system, self._engine, self._links, load, posts, complaints)
            watching = asyncio.create_task(beside(scene)) if beside else None
            await self._disturb(scene, schedule, recovery)
            await evidence.at_rest(self._engine, load.name, load.last_number, REST_PATIENCE)
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        confirmed = read_confirmed(self._folder / posts.name)
        await evidence.stored_at_rest(self._engine, posts.name, len(confirmed), REST_PATIENCE)
        verdict = await self._judge(load.name, load.name) + await self._judge(posts.name, None)
        if not posts.confirmed:
            complaints.append("no posted reading was confirmed")
        if posts.failed:
            complaints.append(f"{posts.failed} posts were answered with 500")
        verdict.complaints += complaints
        return Outcome(schedule, verdict, recovery, time.monotonic() - begun)

    async def _disturb(self, scene: Scene, schedule: Schedule, recovery: dict[str, float]) -> None:
        done = asyncio.Event()
        watcher = Watcher(self._system, scene.load.name)
        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(scene.load.run(done))
            watching = tasks.create_task(watcher.run())
            posting = tasks.create_task(scene.posts.run(done))
            try:
                await watcher.until_watching()
                async with asyncio.TaskGroup() as steps:
                    for step in schedule.steps:
                        steps.create_task(self._step(scene, step, recovery))
                await asyncio.sleep(AFTERWARDS)
                if all(FAULTS[step.fault].spares_live for step in schedule.steps) and watcher.longest_gap > LIVE_GAP:
                    scene.complaints.append(f"the live feed stood still for {watcher.longest_gap:.1f} s")
            finally:
                watching.cancel()
                done.set()
            try:
                async with asyncio.timeout(CONFIRM_PATIENCE):
                    await asyncio.shield(loading)
                    await asyncio.shield(posting)
            except TimeoutError:
                scene.complaints.append(
                    f"{scene.load.unconfirmed} deliveries not confirmed within {CONFIRM_PATIENCE:.0f} s"
                )
                loading.cancel()
                posting.cancel()

    async def _step(self, scene: Scene, step: Step, recovery: dict[str, float]) -> None:
        await asyncio.sleep(step.at)
        fault = FAULTS[step.fault]
        await fault.inject(scene, step)
        over, instant = time.monotonic(), time.time()
        while not await evidence.stored_since(self._engine, scene.load.name, instant):
            if time.monotonic() - over > RECOVERY_PATIENCE:
                scene.complaints.append(f"{step.fault}: nothing new stored within {RECOVERY_PATIENCE:.0f} s")
                return
            await asyncio.sleep(0.1)
        try:
            await self._system.until_ready(fault.hurts, RECOVERY_PATIENCE)
        except TimeoutError as error:
            scene.complaints.append(f"{step.fault}: {error}")
        recovery[step.fault] = time.monotonic() - over

    async def _judge(self, source: str, producer: str | None) -> Verdict:
        found = await evidence.collect(self._engine, source, producer)
        folder = self._folder / source
        return await asyncio.to_thread(lambda: check(read_attempted(folder), read_confirmed(folder), found))
