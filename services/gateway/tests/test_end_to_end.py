"""The whole gateway against a real RabbitMQ: publish, receive, come back, restart."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from telltale_gateway.app import create_app
from telltale_gateway.settings import Settings
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import ReadingBatch, SeriesKey, encode, schema_of
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import LIVE_READINGS, topology

pytestmark = pytest.mark.anyio

SERIES = [SeriesKey("press-3", "temperature", "°C"), SeriesKey("press-3", "vibration", "mm/s")]


class Source:
    """A producer that numbers its readings and publishes them to the live stream."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._next = 1

    async def publish(self, count: int) -> list[float]:
        """Publish ``count`` readings as one delivery; the values are their numbers."""
        now = now_us()
        values = [float(self._next + row) for row in range(count)]
        batch = ReadingBatch(
            producer="source",
            service="test",
            first=self._next,
            confirmed=self._next - 1,
            published_at=now,
            series=SERIES,
            index=[row % 2 for row in range(count)],
            observed_at=[now] * count,
            value=values,
        )
        self._next += count
        await self._publisher.publish(LIVE_READINGS, encode(batch), schema=schema_of(batch))
        return values


@asynccontextmanager
async def source_of(broker: Access) -> AsyncIterator[Source]:
    async with Publisher(BrokerAddress(broker.url, broker.password), topology(), name="test source") as publisher:
        yield Source(publisher)


class Client:
    """Subscribes, and remembers what it was told."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.position: dict[str, Any] | None = None

    async def next(self, kind: str) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(await self._socket.recv())
            if frame.get("position") is not None:
                self.position = frame["position"]
            if frame["type"] == kind:
                return frame

    async def values(self, count: int) -> list[float]:
        """The next ``count`` values."""
        values: list[float] = []
        while len(values) < count:
            values += (await self.next("readings"))["points"]["value"]
        return values


@asynccontextmanager
async def client_of(url: str, token: str, **wish: object) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    async with connect(url) as socket:
        await socket.send(json.dumps({"type": "authenticate", "token": token}))
        await socket.send(json.dumps({"type": "subscribe", **wish}))
        client = Client(socket)
        yield client, await client.next("subscribed")


async def test_readings_arrive_and_are_resumed_also_on_a_restarted_gateway(
    auth: Any, serving: Any, new_broker: Callable[[], Access]
) -> None:
    broker = new_broker()
    settings = Settings(AMQP_URL=broker.url, AMQP_PASSWORD=broker.password, AUTH_URL=auth.url)
    async with source_of(broker) as source:
        async with serving(create_app(settings)) as url:
            before = await source.publish(3)
            async with client_of(url, auth.token(), history="5m") as (client, subscribed):
                assert not subscribed["recovered"]
                assert await client.values(3) == before
                assert await client.values(len(live := await source.publish(5))) == live
                position = client.position
            missed = await source.publish(4)
            async with client_of(url, auth.token(), after=position) as (client, subscribed):
                assert subscribed["recovered"]
                assert "gap" not in subscribed or subscribed["gap"] is None
                live = await source.publish(2)
                assert await client.values(6) == missed + live
        missed += live + await source.publish(2)
        async with (
            serving(create_app(settings)) as url,
            client_of(url, auth.token(), after=position) as (client, subscribed),
        ):
            assert subscribed["recovered"]
            live = await source.publish(1)
            assert await client.values(9) == missed + live


async def test_a_filter_lets_only_its_series_through(auth: Any, serving: Any, new_broker: Callable[[], Access]) -> None:
    broker = new_broker()
    settings = Settings(AMQP_URL=broker.url, AMQP_PASSWORD=broker.password, AUTH_URL=auth.url)
    async with (
        source_of(broker) as source,
        serving(create_app(settings)) as url,
        client_of(url, auth.token(), categories=["vibration"]) as (client, _),
    ):
        await source.publish(6)
        frame = await client.next("readings")
        assert frame["points"]["series"] == [["press-3", "vibration", "mm/s"]]
        assert frame["points"]["value"] == [2.0, 4.0, 6.0]
        assert (frame["position"]["producer"], frame["position"]["first"]) == ("source", 1)


async def test_health_and_heartbeat(auth: Any, serving: Any, new_broker: Callable[[], Access]) -> None:
    broker = new_broker()
    settings = Settings(AMQP_URL=broker.url, AMQP_PASSWORD=broker.password, AUTH_URL=auth.url)
    async with serving(create_app(settings)) as url, httpx.AsyncClient() as http:
        base = url.replace("ws:", "http:").removesuffix("/api/v1/stream")

        async def is_ready() -> bool:
            return (await http.get(f"{base}/health/ready")).status_code == 200

        await eventually(is_ready)
        dependencies = (await http.get(f"{base}/health/ready")).json()["dependencies"]
        assert dependencies == {"broker": "ok", "keys": "ok", "revocations": "ok"}
        async with client_of(url, auth.token(), history="5m") as (client, _):
            event = (await client.next("system"))["event"]
            assert event["service"] == "gateway"
            assert "telltale_gateway_clients 1.0" in (await http.get(f"{base}/metrics")).text
