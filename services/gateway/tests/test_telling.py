"""What subscribers are told over a real uvicorn: history, live frames, alerts, gaps, and what the slow ones missed."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from services.gateway.tests.talking import ALERT, HEARTBEAT, Start, hear, say
from services.gateway.tests.talking import start as start
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from telltale_gateway import metrics
from telltale_gateway.frames import complete
from telltale_gateway.wire import Frame
from telltale_shared.contracts import encode
from telltale_shared.system_events import now_us
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


async def test_history_then_live_without_a_seam(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        await running.publish(3)
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe", history="5m", max_fps=20)
        subscribed = await hear(socket, "subscribed")
        assert subscribed["series"] == [["a", "x", None]]
        history = await hear(socket, "readings")
        assert history["history"]
        assert history["points"]["value"] == [1.0, 2.0, 3.0]
        await running.publish(2)
        live = await hear(socket, "readings")
        assert not live["history"]
        assert live["points"]["value"] == [4.0, 5.0]
        assert live["sent_at"] >= live["points"]["published_at"][0]


async def test_a_position_that_this_gateway_has_yet_to_read_is_waited_for(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        await running.publish()
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe", after={"offset": 2, "producer": "p", "first": 3})
        await asyncio.sleep(0.1)
        for _ in range(3):
            await running.publish()
        assert (await hear(socket, "subscribed"))["recovered"]
        assert (await hear(socket, "readings"))["points"]["value"] == [4.0]


async def test_an_unknown_position_is_answered_with_the_gap(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        running.offset = 5
        await running.publish()
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe", after={"offset": 2, "producer": "p", "first": 3, "at": 1_000}, history="1m")
        subscribed = await hear(socket, "subscribed")
        assert not subscribed["recovered"]
        history = await hear(socket, "readings")
        assert subscribed["gap"] == {"from": 1_000, "to": history["points"]["published_at"][0]}


async def test_what_falls_in_one_tick_comes_in_one_frame(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe", max_fps=4)
        await hear(socket, "subscribed")
        values: list[float] = []
        frames, started = 0, asyncio.get_running_loop().time()
        for _ in range(50):
            await running.publish()
            await asyncio.sleep(0.02)
        while len(values) < 50:
            values += (await hear(socket, "readings"))["points"]["value"]
            frames += 1
        assert values == [float(n) for n in range(1, 51)]
        assert frames <= 2 + 4 * (asyncio.get_running_loop().time() - started)


async def test_frames_are_made_once_for_all_who_want_the_same(
    start: Start, auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(*arguments: Any, **options: Any) -> list[Frame]:
        frames = complete(*arguments, **options)
        made.append(len(frames))
        return frames

    monkeypatch.setattr("telltale_gateway.hub.complete", counted)
    async with start() as running, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(running.url)) for _ in range(20)]
        for socket in sockets:
            await say(socket, "authenticate", token=auth.token())
            await say(socket, "subscribe")
            await hear(socket, "subscribed")
        made.clear()
        for number in range(3):
            await running.publish()
            for socket in sockets:
                assert (await hear(socket, "readings"))["points"]["value"] == [number + 1.0]
        assert made == [1, 1, 1]


async def test_frames_are_compressed_for_who_can_read_that(start: Start, auth: Any) -> None:
    async with (
        start({"ws_per_message_deflate": True}) as running,
        connect(running.url) as able,
        connect(running.url, compression=None) as plain,
        connect(running.url, extensions=[ClientPerMessageDeflateFactory(server_max_window_bits=9)]) as narrow,
    ):
        assert able.response is not None
        assert "permessage-deflate" in able.response.headers["Sec-WebSocket-Extensions"]
        for socket in (able, plain, narrow):
            await say(socket, "authenticate", token=auth.token())
            await say(socket, "subscribe")
            await hear(socket, "subscribed")
        for number in range(2):
            await running.publish(1_000)
            for socket in (able, plain, narrow):
                assert (await hear(socket, "readings"))["points"]["value"][0] == 1 + number * 1_000


async def test_a_second_subscription_replaces_the_first(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe", sources=["a"])
        await hear(socket, "subscribed")
        await say(socket, "subscribe", sources=["b"])
        await hear(socket, "subscribed")
        await running.publish(source="a")
        await running.publish(source="b")
        assert (await hear(socket, "readings"))["points"]["value"] == [2.0]


async def test_alerts_are_forwarded_with_what_matches(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as here, connect(running.url) as elsewhere:
        for socket, source in ((here, "a"), (elsewhere, "b")):
            await say(socket, "authenticate", token=auth.token())
            await say(socket, "subscribe", sources=[source])
            await hear(socket, "subscribed")
        alert = msgspec.structs.replace(ALERT, at=now_us())
        await running.take(encode(alert))
        await running.take(encode(msgspec.structs.replace(alert, number=8, source="", category="", state="resolved")))
        told = (await hear(here, "alerts"))["items"]
        while len(told) < 2:
            told += (await hear(here, "alerts"))["items"]
        assert [(one["number"], one["state"], one["name"]) for one in told] == [
            (7, "firing", "too hot"),
            (8, "resolved", "too hot"),
        ]
        of_the_system = await hear(elsewhere, "alerts")
        assert [one["number"] for one in of_the_system["items"]] == [8]
        assert of_the_system["position"]["offset"] == 1


async def test_nonsense_on_the_stream_is_counted_and_skipped(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe")
        await hear(socket, "subscribed")
        for body in (b"{", b"null", b"\xff", b'{"schema":"reading_batch/9"}'):
            await running.take(body)
        good: dict[str, Any] = {"series": [["a", "x"]], "index": [0], "observed_at": [1], "value": [1.0]}
        head = {"producer": "p", "service": "s", "first": 1, "confirmed": 0, "published_at": 1}
        spoilt: list[dict[str, Any]] = [
            {"index": [1]},
            {"index": [-1]},
            {"index": []},
            {"observed_at": [10**20]},
            {"observed_at": [1, 2]},
            {"value": [None]},
            {"published_at": -(10**20)},
            {"first": 10**20},
        ]
        for bad in spoilt:
            await running.take(json.dumps({"schema": "reading_batch/1", **head, **good, **bad}).encode())
        await running.take(encode(HEARTBEAT).replace(b"424242", b"9" * 30))
        await running.take(encode(ALERT).replace(b"565656", b"9" * 30))
        await running.publish()
        assert (await hear(socket, "readings"))["points"]["value"] == [1.0]
        assert running.gateway.fanout.hub.readings_held == 1


async def values_of(socket: ClientConnection, count: int) -> None:
    told = 0
    while told < count:
        told += len((await hear(socket, "readings"))["points"]["value"])


async def test_a_client_that_stops_reading_is_closed_and_disturbs_nobody(start: Start, auth: Any) -> None:
    closed_before = metrics.CLOSED.labels("4408")._value.get()
    async with start(stall_seconds=0.5) as running:
        async with connect(running.url, max_queue=1) as stalled, connect(running.url, max_size=None) as lively:
            for socket in (stalled, lively):
                await say(socket, "authenticate", token=auth.token())
                await say(socket, "subscribe")
                await hear(socket, "subscribed")
            stalled.transport.pause_reading()
            while len(running.gateway.clients) > 1:
                assert running.offset < 500, "the stalled client was never closed"
                await running.publish(10_000)
                await values_of(lively, 10_000)
            stalled.transport.abort()
        with pytest.raises(ConnectionClosedError):
            await stalled.recv()
        assert metrics.CLOSED.labels("4408")._value.get() == closed_before + 1
        assert metrics.SLOW._value.get() == 0


async def test_a_client_that_answers_no_ping_is_gone_soon(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_gateway.protocol.CLOSE_GRACE", 0.1)
    pings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    async with start(uvicorn_options=pings) as running, connect(running.url, max_queue=1) as silent:
        await hear(silent, "hello")
        silent.transport.pause_reading()
        await eventually(lambda: len(running.gateway.clients) == 0, 3)
        silent.transport.abort()


async def test_a_client_that_pauses_is_told_what_it_missed(start: Start, auth: Any) -> None:
    async with (
        start(queue_readings=20_000, history_readings=50_000) as running,
        connect(running.url, max_size=None, max_queue=1) as socket,
    ):
        await say(socket, "authenticate", token=auth.token())
        await say(socket, "subscribe")
        await hear(socket, "subscribed")
        socket.transport.pause_reading()
        for _ in range(60):
            await running.publish(10_000)
            await asyncio.sleep(0.01)
        socket.transport.resume_reading()
        told, dropped, last = 0, 0, 0.0
        while told + dropped < 600_000:
            frame = json.loads(await socket.recv())
            if frame["type"] == "lag":
                dropped += frame["dropped"]
            elif frame["type"] == "readings":
                told += len(frame["points"]["value"])
                assert frame["points"]["value"][0] > last
                last = frame["points"]["value"][-1]
        assert (told + dropped, last) == (600_000, 600_000.0)
        assert dropped > 0
        assert running.gateway.fanout.hub.readings_held <= 50_000
        await running.publish()
        assert (await hear(socket, "readings"))["points"]["value"] == [600_001.0]
