"""How a service ends: its tasks in order if they can, and in time whatever happens."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from telltale_shared import lifecycle
from telltale_shared.lifecycle import EXIT_NOT_STOPPED, EXIT_TASK_FAILED, STOP_SECONDS, background
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


async def test_a_task_may_end_what_it_has_begun() -> None:
    ended = []

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)
            ended.append("in order")

    async with background({"careful": careful}):
        await asyncio.sleep(0)
    assert ended == ["in order"]


async def test_a_task_that_waits_for_what_never_comes_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "DRAIN_SECONDS", 0.1)
    ended = []

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("interrupted")

    async with asyncio.timeout(60):
        async with background({"stubborn": stubborn}):
            await asyncio.sleep(0)
    assert ended == ["interrupted"] * 3


SERVICE = """
import asyncio, sys
from contextlib import asynccontextmanager
from telltale_shared import lifecycle
from telltale_shared.health import Health
from telltale_shared.settings import ServiceSettings

{lifespan}

settings = ServiceSettings()
app = lifecycle.service_app("test", version="1", settings=settings, health=Health(), lifespan=lifespan)
lifecycle.serve("test", app, settings, int(sys.argv[1]))
"""
ENDLESS = """
lifecycle.STOP_SECONDS = 1.0

@asynccontextmanager
async def lifespan(app):
    yield
    await asyncio.Event().wait()
"""
FAILING = """
async def fail():
    await asyncio.sleep(0.1)
    raise ValueError("a mistake")

@asynccontextmanager
async def lifespan(app):
    async with lifecycle.background({"mistaken": fail}):
        yield
"""


@asynccontextmanager
async def service(lifespan: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service of its own process, killed at the end of the block if it still runs."""
    program = SERVICE.format(lifespan=lifespan)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(port), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()


async def test_a_service_that_cannot_end_in_order_ends_all_the_same(free_port: int) -> None:
    async def lives() -> bool:
        async with httpx.AsyncClient() as http:
            try:
                return (await http.get(f"http://127.0.0.1:{free_port}/health/live")).status_code == 200
            except httpx.TransportError:
                return False

    async with service(ENDLESS, free_port) as process:
        await eventually(lives)
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            printed, _ = await process.communicate()
        assert process.returncode == EXIT_NOT_STOPPED
        assert b"not stopped in order" in printed


async def test_a_service_whose_task_fails_ends_with_an_error_so_that_it_is_started_again(free_port: int) -> None:
    async with service(FAILING, free_port) as process, asyncio.timeout(60):
        printed, _ = await process.communicate()
        assert b"a mistake" in printed
        assert process.returncode == EXIT_TASK_FAILED
