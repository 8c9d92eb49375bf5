"""The protocol over a real uvicorn: who may speak, what may be said, and how a connection ends."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from services.gateway.tests.talking import Start, closing, hear, say
from services.gateway.tests.talking import start as start
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from telltale_shared.contracts import Revocation
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


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


async def test_there_is_room_for_so_many(start: Start, auth: Any) -> None:
    async with start(max_clients=1) as running:
        async with connect(running.url) as first, connect(running.url) as second:
            await _enter(first, auth.token("1"))
            await say(second, "authenticate", token=auth.token("2"))
            assert await closing(second) == (4429, "too many connections; try again later")
        await eventually(lambda: len(running.gateway.clients) == 0)
        async with connect(running.url) as third:
            await _enter(third, auth.token("3"))


async def _enter(socket: ClientConnection, token: str) -> None:
    await say(socket, "authenticate", token=token)
    await say(socket, "subscribe")
    await hear(socket, "subscribed")


async def test_strangers_take_nobodys_place(start: Start, auth: Any) -> None:
    async with start(max_clients=2, max_unauthenticated=2) as running, AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(connect(running.url)) for _ in range(2)]
        for stranger in strangers:
            await hear(stranger, "hello")
        members = []
        for number in range(2):
            members.append(await stack.enter_async_context(connect(running.url)))
            await _enter(members[-1], auth.token(str(number)))
            told = await closing(strangers[number])
            assert told == (4429, "too many others have yet to authenticate; try again"), "the oldest goes"
            strangers.append(await stack.enter_async_context(connect(running.url)))
            await hear(strangers[-1], "hello")
        for member in members:
            await say(member, "subscribe")
            await hear(member, "subscribed")
        assert len(running.gateway.clients) == 4
        await say(strangers[-1], "authenticate", token=auth.token("9"))
        assert await closing(strangers[-1]) == (4429, "too many connections; try again later")


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
    async with start(max_clients=20, max_unauthenticated=20, CORS_ORIGINS=["http://127.0.0.1:8501"]) as running:
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
