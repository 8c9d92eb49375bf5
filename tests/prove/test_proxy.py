import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.prove.proxy import COMMIT, Proxy

pytestmark = pytest.mark.anyio

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def through_a_proxy() -> AsyncIterator[tuple[Proxy, Ends, list[bytes]]]:
    """An open connection through a proxy to a server that answers ``ok`` to whatever it notes."""
    noted: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1_000):
                noted.append(data)
                writer.write(b"ok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield proxy, ends, noted
        finally:
            ends[1].close()
            server.close()
    await asyncio.sleep(0.05)  # for both servers to see the end of their connections


async def _ask(ends: Ends, data: bytes) -> bytes:
    ends[1].write(data)
    async with asyncio.timeout(60):
        return await ends[0].read(1_000)


async def _ends(ends: Ends, data: bytes) -> bool:
    """Whether the connection ends, in order or not, without an answer to ``data``."""
    try:
        return await _ask(ends, data) == b""
    except ConnectionError:
        return True


async def test_it_forwards_both_ways() -> None:
    async with through_a_proxy() as (_, ends, noted):
        assert await _ask(ends, b"hello") == b"ok"
        assert noted == [b"hello"]


async def test_the_reply_to_a_commit_is_eaten_and_the_commit_is_not() -> None:
    async with through_a_proxy() as (proxy, ends, noted):
        assert await _ask(ends, b"select") == b"ok"
        proxy.eats_next_ok = True
        assert await _ends(ends, COMMIT)
        assert noted == [b"select", COMMIT]
        assert proxy.eaten.is_set()


async def test_it_cuts_after_so_many_bytes() -> None:
    async with through_a_proxy() as (proxy, ends, noted):
        proxy.budget = 3
        assert await _ends(ends, b"hello")
        assert b"".join(noted) in (b"", b"hel")
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _ask(again, b"again") == b"ok"
        again[1].close()


async def test_silence_holds_back_and_flow_lets_it_through() -> None:
    async with through_a_proxy() as (proxy, ends, _):
        proxy.silence()
        asking = asyncio.create_task(_ask(ends, b"hello"))
        await asyncio.sleep(0.2)
        assert not asking.done()
        proxy.flow()
        assert await asking == b"ok"


async def test_down_refuses_until_it_is_up() -> None:
    async with through_a_proxy() as (proxy, _, _):
        proxy.down()
        refused = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _ends(refused, b"hello")
        refused[1].close()
        proxy.up()
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _ask(again, b"hello") == b"ok"
        again[1].close()
