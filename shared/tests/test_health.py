"""Readiness: a line for each dependency, and which of them count."""

import asyncio

import pytest

from telltale_shared import health as module
from telltale_shared.health import Health

pytestmark = pytest.mark.anyio


async def test_ready_when_all_that_is_needed_is_there() -> None:
    health = Health({"database": lambda: None})
    health.add("broker", lambda: "not connected", needed=False)
    readiness = await health.readiness()
    assert readiness.status == "ok"
    assert readiness.dependencies == {"database": "ok", "broker": "not connected"}


async def test_not_ready_when_one_is_missing_raises_or_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT", 0.05)

    async def raises() -> str | None:
        raise ConnectionError("refused")

    async def hangs() -> str | None:
        await asyncio.sleep(60)
        return None

    health = Health({"first": lambda: "full", "second": raises, "third": hangs, "fourth": lambda: None})
    readiness = await health.readiness()
    assert readiness.status == "degraded"
    assert readiness.dependencies == {
        "first": "full",
        "second": "ConnectionError: refused",
        "third": "no answer within 0.05 s",
        "fourth": "ok",
    }
