"""The protocol over a real uvicorn: who may speak, in which order, and how a connection ends."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from telltale_gateway import metrics
from telltale_gateway.clients import Clients
from telltale_gateway.fanout import Fanout
from telltale_gateway.frames import complete
from telltale_gateway.hub import Hub
from telltale_gateway.settings import Settings
from telltale_gateway.socket import Gateway, serve_client
from telltale_gateway.subscriber import Subscriber
from telltale_gateway.wire import Frame
from telltale_shared.broker import Link, StreamEvent
from telltale_shared.contracts import AlertChanged, Heartbeat, ReadingBatch, Revocation, SeriesKey, encode
from telltale_shared.security import TokenVerifier
from telltale_shared.system_events import now_us
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


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
        clients = Clients(settings.max_clients, settings.max_clients_per_account)
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
    async with asyncio.timeout(10):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


# --- who may speak


async def test_revoked_account_is_closed_at_once_and_others_are_not(auth: Any, start: Start) -> None:
    async with start() as running, connect(running.url) as gone, connect(running.url) as stays:
        revocations = running.gateway.verifier.revocations
        for socket, token in ((gone, auth.token("7", ver=1, sid="s1")), (stays, auth.token("8", ver=1, sid="s2"))):
            await say(socket, "authenticate", token=token)
            await say(socket, "subscribe")
            await hear(socket, "subscribed")
        revocations.add(Revocation(user_id="7", session_id="s9", at=0))
        revocations.add(Revocation(user_id="8", before_version=1, at=0))
        await say(gone, "subscribe", max_fps=1)
        await hear(gone, "subscribed")
        begun = time.monotonic()
        revocations.add(Revocation(user_id="7", before_version=2, at=0))
        assert (await closing(gone))[0] == 4403
        assert time.monotonic() - begun < 0.5
        await say(stays, "subscribe")
        await hear(stays, "subscribed")
        revocations.add(Revocation(user_id="8", session_id="s2", at=0))
        assert (await closing(stays))[0] == 4403
        assert not revocations._watchers, "who has gone is not remembered"


async def test_revoked_token_opens_nothing(auth: Any, start: Start) -> None:
    async with start() as running, connect(running.url) as socket:
        running.gateway.verifier.revocations.add(Revocation(user_id="7", before_version=2, at=0))
        await say(socket, "authenticate", token=auth.token("7", ver=1))
        assert (await closing(socket))[0] == 4401


async def test_hello_states_the_terms(start: Start) -> None:
    async with start() as running, connect(running.url) as socket:
        hello = await hear(socket, "hello")
        assert (hello["authenticate_within"], hello["session_seconds"], hello["max_fps"]) == (5.0, 300.0, 20)


async def test_silence_ends_the_connection(start: Start) -> None:
    async with start(authenticate_within=0.2) as running, connect(running.url) as socket:
        assert await closing(socket) == (4401, "not authenticated in time; authenticate again")


@pytest.mark.parametrize(
    "claims",
    [
        {"typ": "access"},
        {"aud": "another"},
        {"iss": "another"},
        {"exp": 1_000_000_000},
        {"role": "KING"},
    ],
    ids=str,
)
async def test_a_wrong_token_is_refused(start: Start, auth: Any, claims: dict[str, object]) -> None:
    async with start() as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token(**claims))
        code, reason = await closing(socket)
        assert code == 4401
        assert reason.startswith("not authenticated: ")


async def test_subscribing_needs_authentication(start: Start) -> None:
    async with start() as running, connect(running.url) as socket:
        await say(socket, "subscribe")
        assert await closing(socket) == (4401, "authenticate first")


async def test_no_keys_means_try_again_later(start: Start, auth: Any, free_port: int) -> None:
    async with start(AUTH_URL=f"http://127.0.0.1:{free_port}") as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token())
        assert (await closing(socket))[0] == 1013


async def test_a_session_ends_unless_it_is_renewed_by_the_same_account(start: Start, auth: Any) -> None:
    async with start(session_seconds=0.6) as running, connect(running.url) as socket, connect(running.url) as other:
        for one in (socket, other):
            await say(one, "authenticate", token=auth.token("1"))
        for _ in range(3):
            await asyncio.sleep(0.3)
            await say(socket, "authenticate", token=auth.token("1"))
        await say(socket, "subscribe")
        await hear(socket, "subscribed")
        assert await closing(other) == (4401, "the session is over; authenticate again")
        await say(socket, "authenticate", token=auth.token("2"))
        assert (await closing(socket))[0] == 4403


async def test_a_session_that_nobody_can_renew_goes_on_and_can_still_be_ended(start: Start, auth: Any) -> None:
    async with start(session_seconds=0.6) as running, connect(running.url) as socket:
        await say(socket, "authenticate", token=auth.token("1", sid="s1"))
        await say(socket, "subscribe")
        await hear(socket, "subscribed")
        reprieve = running.gateway.reprieve
        looking = asyncio.create_task(
            reprieve.run("http://127.0.0.1:1", seconds=0.6, is_current=lambda: True, period=0.1)
        )
        try:
            await asyncio.sleep(1.5)
            await running.publish()
            await hear(socket, "readings")
        finally:
            looking.cancel()
        assert (await closing(socket))[0] == 4401


async def test_only_pages_of_known_origins_connect(start: Start) -> None:
    async with start(CORS_ORIGINS=["http://127.0.0.1:8501"]) as running:
        async with connect(running.url, origin=cast("Any", "http://127.0.0.1:8501")) as socket:
            await hear(socket, "hello")
        with pytest.raises(InvalidStatus) as refused:
            await connect(running.url, origin=cast("Any", "http://evil.example"))
        assert refused.value.response.status_code == 403


async def test_there_is_room_for_so_many(start: Start) -> None:
    async with start(max_clients=1) as running:
        async with connect(running.url) as first, connect(running.url) as second:
            await hear(first, "hello")
            assert await closing(second) == (4429, "too many connections; try again later")
        await eventually(lambda: len(running.gateway.clients) == 0)
        async with connect(running.url) as third:
            await hear(third, "hello")


async def test_one_account_has_room_for_so_many(start: Start, auth: Any) -> None:
    async with start(max_clients_per_account=2) as running:
        async with connect(running.url) as first, connect(running.url) as second, connect(running.url) as third:
            for socket in (first, second):
                await say(socket, "authenticate", token=auth.token("1"))
                await say(socket, "subscribe")
                await hear(socket, "subscribed")
            await say(third, "authenticate", token=auth.token("1"))
            assert await closing(third) == (4429, "too many connections of this account")
            async with connect(running.url) as other:
                await say(other, "authenticate", token=auth.token("2"))
                await say(other, "subscribe")
                await hear(other, "subscribed")
        await eventually(lambda: len(running.gateway.clients) == 0)
        async with connect(running.url) as fourth:
            await say(fourth, "authenticate", token=auth.token("1"))
            await say(fourth, "subscribe")
            await hear(fourth, "subscribed")


async def test_so_many_subscriptions_may_differ(start: Start, auth: Any) -> None:
    async with (
        start(max_subscriptions=2) as running,
        connect(running.url) as first,
        connect(running.url) as second,
        connect(running.url) as third,
    ):
        for socket, source in ((first, "a"), (second, "b"), (third, "b")):
            await say(socket, "authenticate", token=auth.token())
            await say(socket, "subscribe", sources=[source])
            await hear(socket, "subscribed")
        await say(third, "subscribe", sources=["c"])
        assert await closing(third) == (4429, "too many different subscriptions; try again later")
        await say(second, "subscribe", sources=["c"])
        await hear(second, "subscribed")


async def test_flood_of_connections_disturbs_nobody_who_is_in(start: Start, auth: Any) -> None:
    async with start(max_clients=20, CORS_ORIGINS=["http://127.0.0.1:8501"]) as running:
        gate, outcomes = asyncio.Semaphore(50), Counter[str]()

        async def attempt(number: int) -> None:
            origin = cast("Any", "http://evil.example") if number % 2 else None
            async with gate:
                try:
                    async with connect(running.url, origin=origin, open_timeout=30) as socket:
                        await socket.wait_closed()
                        outcomes[str(socket.close_code)] += 1
                except InvalidStatus as refused:
                    outcomes[str(refused.response.status_code)] += 1

        async with connect(running.url) as member:
            await say(member, "authenticate", token=auth.token())
            flood = [asyncio.create_task(attempt(number)) for number in range(1_000)]
            waits = []
            while not all(task.done() for task in flood[:-100]):
                begun = time.monotonic()
                await say(member, "subscribe")
                await hear(member, "subscribed")
                waits.append(time.monotonic() - begun)
                await asyncio.sleep(0.6)
            await asyncio.gather(*flood)
            assert max(waits) < 2
        assert outcomes["403"] == 500, "pages of elsewhere"
        assert outcomes["4429"] + outcomes["4401"] == 500, "no room, or nothing said in time"


# --- what may be said


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[]",
        "{}",
        '{"type":"shout"}',
        '{"type":"authenticate"}',
        '{"type":"subscribe","max_fps":21}',
        '{"type":"subscribe","history":"forever"}',
        '{"type":"subscribe","sources":[1]}',
        '{"type":"subscribe","after":{"offset":"x"}}',
        '{"type":"subscribe","after":{"offset":1,"producer":"p","first":1,"at":99999999999999999999}}',
        '{"type":"subscribe","more":' + "[" * 60_000,
    ],
    ids=lambda text: text[:60],
)
async def test_what_is_not_understood_ends_the_connection_with_the_reason(start: Start, text: str) -> None:
    async with start() as running, connect(running.url) as socket:
        await socket.send(text)
        code, reason = await closing(socket)
        assert code == 1008
        assert reason.startswith("message not understood: ")


async def test_binary_and_oversized_messages_end_the_connection(start: Start) -> None:
    async with start() as running:
        async with connect(running.url) as socket:
            await socket.send(b"x")
            assert (await closing(socket))[0] == 1003
        async with connect(running.url) as socket:
            await socket.send(" " * 70_000)
            assert (await closing(socket))[0] == 1009


async def test_a_frame_of_16_megabytes_is_refused_by_its_head(start: Start) -> None:
    async with start() as running, connect(running.url) as socket:
        final_text, masked = b"\x81", b"\xff"
        socket.transport.write(final_text + masked + (16 << 20).to_bytes(8) + b"mask")
        assert (await closing(socket))[0] == 1009


async def test_a_flood_of_messages_ends_the_connection(start: Start, auth: Any) -> None:
    async with start() as running, connect(running.url) as socket:
        token = auth.token()
        for _ in range(25):
            await say(socket, "authenticate", token=token)
        assert await closing(socket) == (1008, "too many messages")


# --- what is told


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
