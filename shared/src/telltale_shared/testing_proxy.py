"""A TCP proxy for tests: a network between a service and a server that can be cut, and left silent."""

import asyncio
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

CHUNK = 65_536


class TcpProxy:
    """Forwards loopback connections to another loopback port. Use as an async context manager.

    Args:
        target: port to forward to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    @classmethod
    def before(cls, url: str) -> "TcpProxy":
        """A proxy to the port that ``url`` names."""
        port = urlsplit(url).port
        assert port is not None  # noqa: S101 - test servers name theirs
        return cls(port)

    def url(self, url: str) -> str:
        """``url`` with this proxy's port in place of its own."""
        return url.replace(f":{self._target}", f":{self.port}", 1)

    async def cut(self) -> None:
        """Close every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def mend(self) -> None:
        """Accept connections again, on the same port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def silence(self) -> None:
        """Forward nothing more, without closing anything."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward again, what was held back first."""
        self._flowing.set()

    async def __aenter__(self) -> "TcpProxy":
        await self.mend()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.cut()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, there_writer}
        pumps = {
            asyncio.create_task(self._pump(reader, there_writer)),
            asyncio.create_task(self._pump(there_reader, writer)),
        }
        self._pumps |= pumps
        await asyncio.wait(pumps)
        self._pumps -= pumps
        self._writers -= {writer, there_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
