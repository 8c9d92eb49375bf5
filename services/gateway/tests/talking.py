"""A gateway served by a real uvicorn, without a broker, and what a client of it says and hears."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection

from telltale_gateway.clients import Clients
from telltale_gateway.fanout import Fanout
from telltale_gateway.hub import Hub
from telltale_gateway.settings import Settings
from telltale_gateway.socket import Gateway, serve_client
from telltale_gateway.subscriber import Subscriber
from telltale_shared.broker import Link, StreamEvent
from telltale_shared.contracts import AlertChanged, Heartbeat, ReadingBatch, SeriesKey, encode
from telltale_shared.security import TokenVerifier
from telltale_shared.system_events import now_us

HEARTBEAT = Heartbeat(service="s", instance="i", version="1", started_at=0, at=424242, health="ok", memory_bytes=1)

ALERT = AlertChanged(
    alert="3f1c",
    number=7,
    rule="1",
    name="too hot",
    kind="threshold",
    severity="warning",
    source="a",
    category="x",
    unit=None,
    state="firing",
    since=565656,
    at=565657,
    value=80.0,
    explanation="above 70",
)


@dataclass
class Running:
    """A gateway fed by hand in place of a broker."""

    url: str
    gateway: Gateway
    offset: int = 0
    first: int = 1

    async def publish(self, count: int = 1, source: str = "a") -> None:
        now = now_us()
        batch = ReadingBatch(
            producer="p",
            service="test",
            first=self.first,
            confirmed=0,
            published_at=now,
            series=[SeriesKey(source, "x")],
            index=[0] * count,
            observed_at=[now] * count,
            value=[float(self.first + row) for row in range(count)],
        )
        self.first += count
        await self.take(encode(batch))

    async def take(self, body: bytes) -> None:
        await self.gateway.subscriber.take(StreamEvent(self.offset, body, None, {}))
        self.offset += 1


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(auth: Any, serving: Any) -> Start:
    @asynccontextmanager
    async def run(uvicorn_options: Any = None, **changes: Any) -> AsyncIterator[Running]:
        settings = Settings(**{"AUTH_URL": auth.url, **changes})
        hub = Hub(
            history_seconds=settings.history_seconds,
            history_readings=settings.history_readings,
            queue_readings=settings.queue_readings,
        )
        link = cast("Link", SimpleNamespace(problem=None))
        subscriber = Subscriber(link, hub, history_seconds=settings.history_seconds)
        verifier = TokenVerifier(settings.auth_url)
        fanout = Fanout(hub, settings.max_subscriptions)
        clients = Clients(settings.max_clients, settings.max_clients_per_account, settings.max_unauthenticated)
        gateway = Gateway(settings, fanout, subscriber, clients, verifier)

        async def stream(websocket: WebSocket) -> None:
            await serve_client(websocket, gateway)

        app = Starlette(routes=[WebSocketRoute("/api/v1/stream", stream)])
        waking = asyncio.create_task(fanout.run(subscriber.arrived))
        try:
            async with serving(app, **(uvicorn_options or {})) as url:
                yield Running(url, gateway)
        finally:
            waking.cancel()

    return run


async def say(socket: ClientConnection, kind: str, **fields: object) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame["type"] == kind:
            return frame


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Read to the end; the code and reason that the server gave."""
    async with asyncio.timeout(60):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""
