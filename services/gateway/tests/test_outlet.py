"""Whatever is written in whichever way arrives whole and in order, on both kinds of event loop, and waits bounded."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvloop

from telltale_gateway.outlet import KERNEL_BUFFER, Outlet, tell_all
from telltale_gateway.wire import Frame, Parcel
from telltale_shared.testing import eventually

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Loop = Callable[[], asyncio.AbstractEventLoop]


def run(new_loop: Loop, test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(test, 60))


def tell(outlet: Outlet, parcel: Parcel) -> None:
    tell_all([outlet.key], {outlet.key: outlet}, parcel)


class Writing(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self) -> None:
        self.is_paused = False
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.outlet = Outlet(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self.outlet.release()
        self.is_lost = True

    def pause_writing(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_writing(self) -> None:
        assert self.outlet.unsent == 0
        self.is_paused = False


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Writing, asyncio.StreamReader, asyncio.StreamWriter]]:
    protocol = Writing()
    server = await asyncio.get_running_loop().create_server(lambda: protocol, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port, limit=4_096)
    await eventually(lambda: hasattr(protocol, "outlet"))
    try:
        yield protocol, reader, writer
    finally:
        writer.transport.abort()
        await eventually(lambda: protocol.is_lost)
        server.close()


@LOOPS
@pytest.mark.parametrize("seed", range(3))
def test_everything_arrives_in_order_however_slowly_it_is_read(new_loop: Loop, seed: int) -> None:
    chance = random.Random(seed)

    async def exchange() -> None:
        async with connected() as (protocol, reader, _):
            parcels = [Parcel([Frame(chance.randbytes(chance.choice((1, 900, 1_100, 70_000))))]) for _ in range(400)]
            sent = b"".join(parcel.plain for parcel in parcels)
            pauses = 0

            async def write() -> None:
                nonlocal pauses
                for parcel in parcels:
                    if protocol.is_paused or chance.random() < 0.3:
                        protocol.outlet.tell(parcel)
                    else:
                        tell(protocol.outlet, parcel)
                    pauses += protocol.is_paused
                    if chance.random() < 0.2:
                        await asyncio.sleep(0.001)

            writing = asyncio.create_task(write())
            received = bytearray()
            while len(received) < len(sent):
                received += await reader.read(chance.choice((1, 1_000, 100_000)))
                if chance.random() < 0.05:
                    await asyncio.sleep(0.01)
            await writing
            assert received == sent
            assert pauses, "the client was never slow"
            await eventually(lambda: not protocol.is_paused)

    run(new_loop, exchange())


@LOOPS
def test_the_kernel_holds_little_for_who_reads_nothing(new_loop: Loop) -> None:
    async def exchange() -> None:
        async with connected() as (protocol, reader, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio types no reading side  # a client of its own kind
            parcel = Parcel([Frame(b"x" * 1_000)])
            told = 0
            while not protocol.is_paused:
                tell(protocol.outlet, parcel)
                told += len(parcel.plain)
            assert protocol.outlet.unsent <= len(parcel.plain)
            assert told < 12 * KERNEL_BUFFER, "what the two kernels hold"
            writer.transport.resume_reading()  # type: ignore[attr-defined]  # asyncio types no reading side
            await reader.readexactly(told)
            await eventually(lambda: not protocol.is_paused)

    run(new_loop, exchange())


@LOOPS
def test_an_aborted_connection_is_reset_however_much_waits(new_loop: Loop) -> None:
    async def exchange() -> None:
        async with connected() as (protocol, reader, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio types no reading side  # a client of its own kind
            while not protocol.is_paused:
                tell(protocol.outlet, Parcel([Frame(b"x" * 1_000)]))
            protocol.outlet.abort()
            await eventually(lambda: protocol.is_lost)
            writer.transport.resume_reading()  # type: ignore[attr-defined]  # asyncio types no reading side
            with pytest.raises(ConnectionResetError):
                await reader.read()

    run(new_loop, exchange())


@LOOPS
def test_nothing_is_written_to_who_has_gone(new_loop: Loop) -> None:
    async def exchange() -> None:
        async with connected() as (protocol, _, writer):
            outlet = protocol.outlet
            writer.transport.abort()
            for _ in range(5):
                if not protocol.is_lost:
                    tell(outlet, Parcel([Frame(b"late")]))
                outlet.write(b"late")
                await asyncio.sleep(0.01)
            await eventually(lambda: protocol.is_lost)
            async with connected() as (other, reader, _):
                outlet.tell(Parcel([Frame(b"late")]))
                assert outlet.key is outlet, "its descriptor may be the other's by now"
                tell(other.outlet, Parcel([Frame(b"for who is here")]))
                assert (await reader.readexactly(17))[2:] == b"for who is here"

    run(new_loop, exchange())
