"""An upgrade of a loaded stack: from the services before the newest migration to these, without losing a reading."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove import evidence
from tests.prove.audit import audit
from tests.prove.checker import check
from tests.prove.lists import Lists, read_attempted, read_confirmed
from tests.prove.load import Broker, Load
from tests.prove.system import ROOT, System
from tests.version_before import VersionBefore, code_of

from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.testing import Servers, eventually

RATE = 300.0
PATIENCE = 90.0


@pytest.fixture
def system() -> Iterator[System]:
    """A stack of its own, not started yet; stopped at the end, its folder is kept for a look at the logs."""
    system = System(ROOT / ".run" / "upgrade")
    yield system
    system.stop()


async def migration(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one())


async def goes_on(engine: AsyncEngine, load: Load) -> None:
    """Wait until what is measured from now on is stored."""
    now = time.time()
    await eventually(lambda: evidence.stored_since(engine, load.name, now), PATIENCE)


async def runs(system: System, tree: Path) -> bool:
    """Whether what publishes and what stores runs the code in the folder ``tree``."""
    for service in ("generator", "writer"):
        expected = {tree / "shared" / "src", tree / "services" / service / "src"}
        if await asyncio.to_thread(code_of, await system.pid(service)) != expected:
            return False
    return True


async def upgrade(system: System, before: VersionBefore, engine: AsyncEngine, load: Load) -> None:
    """Migrate beside the services of the version before, then let these take their place."""
    await goes_on(engine, load)
    assert await runs(system, before.folder)
    assert await migration(engine) != SCHEMA_VERSION
    await asyncio.to_thread(system.migrate)
    assert await migration(engine) == SCHEMA_VERSION
    await goes_on(engine, load)
    assert await runs(system, before.folder)
    await asyncio.to_thread(system.start, {}, {})
    assert await runs(system, ROOT)
    await goes_on(engine, load)


@pytest.mark.anyio
@pytest.mark.timeout(600)
async def test_an_upgrade_of_a_loaded_stack_loses_no_reading(system: System) -> None:
    before = VersionBefore(system.folder / "before")
    for command in ("servers-up", "up"):
        await asyncio.to_thread(before.stack, command, system.folder)
    system.servers = Servers.read(system.folder)
    folder = system.folder / "lists"
    async with AsyncExitStack() as stack:
        engine = system.engine()
        stack.push_async_callback(engine.dispose)
        broker = Broker(system.amqp_url(system.port("rabbitmq")))
        stack.push_async_callback(broker.close)
        lists = stack.enter_context(closing(Lists(folder)))
        load = Load(broker, lists, name="prove-upgrade", rate=RATE, series=10, per_delivery=5, seed=1)
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run(done))
            await upgrade(system, before, engine, load)
            done.set()
        await evidence.at_rest(engine, load.name, load.last_number, PATIENCE)
        found = await evidence.collect(engine, load.name, load.name)
        verdict = check(read_attempted(folder), read_confirmed(folder), found)
        assert verdict.holds, verdict.complaints
        assert verdict.stored == verdict.confirmed == load.last_number
        generators = await audit(system, engine)
        assert generators.complaints == []
        assert generators.producers >= 4  # two of each version
