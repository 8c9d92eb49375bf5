"""The faults: how each is brought about, and which services must have recovered from it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove.live import SlowClient
from tests.prove.load import Load
from tests.prove.messages import CLOCKS, POISONS, Spoil
from tests.prove.posts import Posts
from tests.prove.proxy import Proxy
from tests.prove.schedule import Step
from tests.prove.system import System

from telltale_shared.database import DATABASE_ERRORS

STOPS_WITHIN = 10.0
"""Seconds that every service may take to stop in order."""
QUIET_LINK = 15.0
"""Seconds after which a link that carries hardly anything is cut all the same."""
BROKER_ROOM = "512MB"
"""The free disk below which the broker raises its alarm, as deploy/rabbitmq/telltale.conf has it."""
BROKER_MEMORY = "0.25"


@dataclass(frozen=True)
class Scene:
    """What a fault may disturb."""

    system: System
    engine: AsyncEngine
    links: dict[str, Proxy]
    """The proxies by what they connect, as ``writer/mariadb``."""
    load: Load
    posts: Posts
    complaints: list[str]
    frozen: set[str] = field(default_factory=set)
    """Processes that cannot obey anybody right now."""


Inject = Callable[[Scene, Step], Awaitable[None]]

SERVICES = ("generator", "writer", "detector", "gateway", "auth", "query", "jobs", "ui", "alerts")
ON_THE_WAY = ("load/rabbitmq", "generator/rabbitmq", "writer/rabbitmq", "writer/mariadb")
EVERYBODY = (*SERVICES, "generator-host")


@dataclass(frozen=True)
class Fault:
    """``inject`` brings it about and returns when it is over; recovery counts from then on."""

    inject: Inject
    hurts: tuple[str, ...] = EVERYBODY
    """Services that are not ready until they have recovered."""
    spares_live: bool = False
    """Whether the live feed must go on as if nothing happened."""


def _chosen(names: Sequence[str], step: Step) -> str:
    return names[int(step.draw * len(names))]


# --- processes


async def _kill(scene: Scene, step: Step, *, name: str, times: int = 1) -> None:
    del step
    for _ in range(times):
        await scene.system.until_running(name)
        await scene.system.kill(name)


async def _stop(scene: Scene, name: str) -> None:
    begun, obeys = time.monotonic(), name not in scene.frozen
    await scene.system.stop_process(name)
    if (took := time.monotonic() - begun) > STOPS_WITHIN and obeys and name not in scene.frozen:
        scene.complaints.append(f"{name} took {took:.1f} s to stop")


async def _stop_a_service(scene: Scene, step: Step) -> None:
    name = _chosen(EVERYBODY, step)
    await _stop(scene, name)
    await asyncio.sleep(step.seconds)
    await scene.system.start_process(name)


async def _stop_behind_a_silent_link(scene: Scene, step: Step) -> None:
    link = _chosen([link for link in sorted(scene.links) if not link.startswith("load/")], step)
    name = link.partition("/")[0]
    scene.links[link].silence()
    await asyncio.sleep(step.seconds)
    await _stop(scene, name)
    scene.links[link].flow()
    await scene.system.start_process(name)


async def _freeze(scene: Scene, step: Step) -> None:
    name = _chosen((*SERVICES, "rabbitmq", "mariadb"), step)
    pid = await scene.system.signal(name, signal.SIGSTOP)
    scene.frozen.add(name)
    try:
        await asyncio.sleep(step.seconds)
    finally:
        scene.frozen.discard(name)
        with suppress(ProcessLookupError):  # killed meanwhile
            os.kill(pid, signal.SIGCONT)


async def _restart(scene: Scene, step: Step, *, name: str) -> None:
    await scene.system.stop_process(name)
    await asyncio.sleep(step.seconds)
    await scene.system.start_process(name)


# --- the network


def _link(scene: Scene, step: Step) -> Proxy:
    # Every link gets its turn, those on the way of a reading more often.
    return scene.links[_chosen([*sorted(scene.links), *3 * ON_THE_WAY], step)]


async def _cut(scene: Scene, step: Step) -> None:
    _link(scene, step).cut()


async def _down(scene: Scene, step: Step) -> None:
    link = _link(scene, step)
    link.down()
    await asyncio.sleep(step.seconds)
    link.up()


async def _silent(scene: Scene, step: Step) -> None:
    link = _link(scene, step)
    link.silence()
    await asyncio.sleep(step.seconds)
    link.flow()


async def _slow(scene: Scene, step: Step) -> None:
    link = _link(scene, step)
    link.delay = 0.02 + 0.2 * step.draw
    await asyncio.sleep(step.seconds)
    link.delay = 0.0


async def _cut_after_bytes(scene: Scene, step: Step) -> None:
    link = _link(scene, step)
    link.budget = 1 + int(step.draw * 100_000) % 10_000
    until = time.monotonic() + QUIET_LINK
    while link.budget is not None and time.monotonic() < until:
        await asyncio.sleep(0.05)
    if link.budget is not None:
        link.budget = None
        link.cut()


async def _lose_ok(scene: Scene, step: Step) -> None:
    del step
    link = scene.links["writer/mariadb"]
    lost = 0
    for _ in range(3):
        link.eaten.clear()
        link.eats_next_ok = True
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await link.eaten.wait()
                lost += 1
    if not lost:
        scene.complaints.append("no answer to a COMMIT could be lost")


# --- the database


async def _kill_sessions(scene: Scene, step: Step) -> None:
    users = "'telltale_writer', 'telltale_query', 'telltale_auth', 'telltale_alerts'"
    victims = text(f"SELECT id FROM information_schema.processlist WHERE user IN ({users})")
    end = asyncio.get_running_loop().time() + step.seconds
    while asyncio.get_running_loop().time() < end:
        with suppress(*DATABASE_ERRORS):
            async with scene.engine.connect() as connection:
                for (session,) in (await connection.execute(victims)).all():
                    with suppress(DBAPIError):  # it has ended by itself
                        await connection.execute(text(f"KILL CONNECTION {session}"))
        await asyncio.sleep(0.2)


async def _lock_rows(scene: Scene, step: Step) -> None:
    lock = text("SELECT id FROM producers WHERE producer = :name FOR UPDATE")
    with suppress(*DATABASE_ERRORS):
        async with scene.engine.connect() as connection:
            await connection.execute(lock, {"name": scene.load.name})
            await asyncio.sleep(step.seconds)
            await connection.rollback()


# --- the broker


async def _disk_alarm(scene: Scene, step: Step) -> None:
    await scene.system.rabbitmqctl("set_disk_free_limit", "100000GB")
    await asyncio.sleep(step.seconds)
    await scene.system.rabbitmqctl("set_disk_free_limit", BROKER_ROOM)


async def _memory_alarm(scene: Scene, step: Step) -> None:
    await scene.system.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    await asyncio.sleep(step.seconds)
    await scene.system.rabbitmqctl("set_vm_memory_high_watermark", BROKER_MEMORY)


async def _queue_full(scene: Scene, step: Step) -> None:
    policy = ("-p", "telltale", "--apply-to", "queues", "full", "^readings\\.store")
    await scene.system.rabbitmqctl("set_policy", *policy, '{"max-length": 5}')
    scene.links["writer/mariadb"].down()
    await asyncio.sleep(step.seconds)
    scene.links["writer/mariadb"].up()
    await scene.system.rabbitmqctl("clear_policy", "-p", "telltale", "full")


async def _queue_deleted(scene: Scene, _: Step) -> None:
    """Deleted while it is empty: what a deleted queue holds is gone, whoever had confirmed it."""
    async with _still(scene):
        await scene.system.rabbitmqctl("delete_queue", "-p", "telltale", "readings.store.0")


@asynccontextmanager
async def _still(scene: Scene) -> AsyncIterator[None]:
    """While nobody publishes and nothing waits."""
    scene.load.paused = scene.posts.paused = True
    await scene.system.pause_generators(True)
    while scene.load.unconfirmed or await scene.system.waiting():
        await asyncio.sleep(0.5)
    try:
        yield
    finally:
        await scene.system.pause_generators(False)
        scene.load.paused = scene.posts.paused = False


# --- what is sent


async def _spoil(scene: Scene, step: Step, *, spoils: dict[str, Spoil]) -> None:
    scene.load.spoils = list(spoils.values())
    await asyncio.sleep(step.seconds)
    scene.load.spoils = ()


async def _repeat(scene: Scene, step: Step) -> None:
    scene.load.copies = 3
    await asyncio.sleep(step.seconds)
    scene.load.copies = 1


async def _slow_client(scene: Scene, step: Step) -> None:
    async with SlowClient(scene.system):
        await asyncio.sleep(step.seconds)


_BACK_IN_ORDER = ("writer", "query", "jobs")

FAULTS: dict[str, Fault] = {
    **{
        f"kill {name}": Fault(partial(_kill, name=name), (name,), spares_live=name not in ("gateway", "detector"))
        for name in SERVICES
    },
    "kill rabbitmq": Fault(partial(_kill, name="rabbitmq")),
    "kill mariadb": Fault(partial(_kill, name="mariadb"), spares_live=True),
    "kill writer 25 times": Fault(partial(_kill, name="writer", times=25), ("writer",), spares_live=True),
    "stop a service": Fault(_stop_a_service),
    "stop behind a silent link": Fault(_stop_behind_a_silent_link),
    "freeze a process": Fault(_freeze),
    "broker restarted": Fault(partial(_restart, name="rabbitmq")),
    "database restarted": Fault(partial(_restart, name="mariadb"), spares_live=True),
    "link cut": Fault(_cut),
    "link down": Fault(_down),
    "link silent": Fault(_silent),
    "link slow": Fault(_slow),
    "link cut after some bytes": Fault(_cut_after_bytes),
    "OK lost after COMMIT": Fault(_lose_ok, _BACK_IN_ORDER, spares_live=True),
    "sessions killed in the database": Fault(_kill_sessions, _BACK_IN_ORDER, spares_live=True),
    "rows locked in the database": Fault(_lock_rows, _BACK_IN_ORDER, spares_live=True),
    "disk alarm in the broker": Fault(_disk_alarm),
    "memory alarm in the broker": Fault(_memory_alarm),
    "queue full": Fault(_queue_full, spares_live=True),
    "queue deleted": Fault(_queue_deleted),
    "every delivery three times": Fault(_repeat, spares_live=True),
    "poison": Fault(partial(_spoil, spoils=POISONS), spares_live=True),
    "clock of a source an hour off": Fault(partial(_spoil, spoils=CLOCKS), spares_live=True),
    "WebSocket client that stops reading": Fault(_slow_client, spares_live=True),
}
