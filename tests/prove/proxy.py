"""A TCP proxy between a service and a server: a network that is cut, delays, goes silent, dies at the worst moment."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

CHUNK = 65_536
COMMIT = b"\x07\x00\x00\x00\x03COMMIT"
"""The packet with which a client of MariaDB commits."""


@dataclass(eq=False)
class _Pair:
    """The two ends of one forwarded connection."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    dies_with_reply: bool = False

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


@dataclass
class Proxy:
    """Forwards connections to its own port to the loopback port ``target``. Use as an async context manager."""

    target: int
    port: int = 0
    delay: float = 0.0
    """Seconds that everything takes longer, in each direction."""
    budget: int | None = None
    """Bytes that still pass before every connection is cut."""
    eats_next_ok: bool = False
    """Whether the next COMMIT is forwarded, and its connection cut in place of the server's reply."""
    eaten: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a reply was eaten."""
    _refuses: bool = False
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _pairs: set[_Pair] = field(default_factory=set)
    _forwarding: "set[asyncio.Task[object]]" = field(default_factory=set)

    def cut(self) -> None:
        """End every connection; new ones are taken at once."""
        for pair in list(self._pairs):
            pair.abort()

    def down(self) -> None:
        """End every connection, and every new one as soon as it is made."""
        self._refuses = True
        self.cut()

    def up(self) -> None:
        """Take connections again."""
        self._refuses = False

    def silence(self) -> None:
        """Forward nothing more, without ending anything; new connections are taken and stay silent, too."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward again, what was held back first."""
        self._flowing.set()

    async def __aenter__(self) -> "Proxy":
        self._flowing.set()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.down()
        self.flow()
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)
        if self._refuses:
            near.transport.abort()
            return
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            near.transport.abort()
            return
        pair = _Pair(near, far)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._there(reader, pair), self._back(far_reader, pair))
        finally:
            self._pairs.discard(pair)

    async def _there(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self.eats_next_ok and data.endswith(COMMIT):
                    self.eats_next_ok, pair.dies_with_reply = False, True
                await self._forward(data, pair.far)
        pair.far.close()

    async def _back(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if pair.dies_with_reply:
                    pair.abort()
                    self.eaten.set()
                    return
                await self._forward(data, pair.near)
        pair.near.close()

    async def _forward(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._flowing.wait()
        if self.budget is not None:
            data, self.budget = data[: self.budget], self.budget - len(data)
        if writer.is_closing():
            raise ConnectionResetError  # as asyncio says it; uvloop has another error for it
        writer.write(data)
        await writer.drain()
        if self.budget is not None and self.budget <= 0:
            self.budget = None
            self.cut()
