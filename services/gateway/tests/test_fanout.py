"""When the rounds take place: what arrives between two of them, and what has no hurry."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from services.gateway.tests.talking import HEARTBEAT, Running, Start, hear, say
from services.gateway.tests.talking import start as start
from websockets.asyncio.client import ClientConnection, connect

from telltale_gateway.frames import complete
from telltale_gateway.wire import Frame
from telltale_shared.contracts import encode
from telltale_shared.system_events import now_us
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio

ENDLESS = 600.0
"""Seconds that no test takes, in place of a time that a round would wait."""
INTERVAL = 0.05


@dataclass
class Listening:
    """A gateway with one subscriber, who has been answered."""

    gateway: Running
    client: ClientConnection
    rounds: list[list[str]]
    """The kinds of the frames of each round since then."""


Listen = Callable[[], AbstractAsyncContextManager[Listening]]


@pytest.fixture
def listen(start: Start, auth: Any, monkeypatch: pytest.MonkeyPatch) -> Listen:
    rounds: list[list[str]] = []

    def recorded(*arguments: Any, **options: Any) -> list[Frame]:
        frames = complete(*arguments, **options)
        rounds.append([json.loads(frame.payload)["type"] for frame in frames])
        return frames

    monkeypatch.setattr("telltale_gateway.hub.complete", recorded)

    @asynccontextmanager
    async def listen() -> AsyncIterator[Listening]:
        async with start() as gateway, connect(gateway.url) as client:
            await say(client, "authenticate", token=auth.token())
            await say(client, "subscribe", max_fps=round(1 / INTERVAL))
            await hear(client, "subscribed")
            rounds.clear()
            yield Listening(gateway, client, rounds)

    return listen


async def test_a_heartbeat_goes_along_with_the_readings_that_follow(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale_gateway.subscriber.LONGEST_RIDE", ENDLESS)
    async with listen() as listening:
        await listening.gateway.take(encode(msgspec.structs.replace(HEARTBEAT, at=now_us())))
        await asyncio.sleep(2 * INTERVAL)
        assert listening.rounds == []
        await listening.gateway.publish()
        await hear(listening.client, "readings")
        assert [sorted(kinds) for kinds in listening.rounds] == [["readings", "system"]]


async def test_a_heartbeat_that_no_readings_follow_is_told_all_the_same(listen: Listen) -> None:
    async with listen() as listening:
        await listening.gateway.take(encode(msgspec.structs.replace(HEARTBEAT, at=now_us())))
        assert (await hear(listening.client, "system"))["event"]["service"] == HEARTBEAT.service


async def test_a_round_that_had_to_wait_is_set_off_by_what_comes_next(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale_gateway.fanout.COMPANY_SECONDS", ENDLESS)
    async with listen() as listening:

        async def publish_until_one_waits() -> bool:
            told = len(listening.rounds)
            await listening.gateway.publish()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return len(listening.rounds) == told

        await eventually(publish_until_one_waits)
        told = len(listening.rounds)
        await asyncio.sleep(2 * INTERVAL)
        assert len(listening.rounds) == told, "it is due, and waits for company"
        await listening.gateway.publish()
        await eventually(lambda: len(listening.rounds) == told + 1)


async def test_a_round_that_had_to_wait_does_not_wait_for_ever(listen: Listen) -> None:
    async with listen() as listening:
        for _ in range(3):
            await listening.gateway.publish()
            await asyncio.sleep(0)
        values: list[float] = []
        while len(values) < 3:
            values += (await hear(listening.client, "readings"))["points"]["value"]
        assert values == [1.0, 2.0, 3.0]
