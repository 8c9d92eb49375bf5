"""SIGTERM ends every service in time, in order where it can: also while its servers have fallen silent."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from tests.conftest import ROOT
from tests.prove.proxy import Proxy
from tests.prove.runner import LINKS
from tests.prove.system import System

pytestmark = pytest.mark.anyio

WITHIN = 10.0
IN_ORDER = 8.0
"""Less than the time after which a process gives up ending in order."""


async def _stop_times(system: System) -> dict[str, float]:
    """Seconds that each service takes to end, all of them stopped at once."""

    async def stop(name: str) -> float:
        begun = time.monotonic()
        await system.stop_process(name)
        return time.monotonic() - begun

    times = await asyncio.gather(*(stop(name) for name in system.services))
    return dict(zip(system.services, times, strict=True))


@pytest.mark.timeout(300)
async def test_every_service_stops_in_time_whatever_its_servers_do() -> None:
    system = System(ROOT / ".run" / "stopping")
    async with AsyncExitStack() as stack:
        links = {link: await stack.enter_async_context(Proxy(system.server_port(link))) for link in LINKS}
        stack.push_async_callback(asyncio.to_thread, system.stop)
        await asyncio.to_thread(system.start, {link: proxy.port for link, proxy in links.items()}, {})

        in_order = await _stop_times(system)
        assert max(in_order.values()) < IN_ORDER, in_order

        for name in system.services:
            await system.start_process(name)
        await system.until_ready(system.services, 90)
        for proxy in links.values():
            proxy.silence()
        await asyncio.sleep(2)  # in which everybody comes to wait for an answer
        behind_silence = await _stop_times(system)
        print(in_order, behind_silence)
        assert max(behind_silence.values()) < WITHIN, behind_silence
        for proxy in links.values():
            proxy.flow()
