"""Clients of the live feed: one that watches whether it ever stops, and one that stops reading."""

import asyncio
import json
import socket
import time
from contextlib import suppress
from types import TracebackType

import httpx
import websockets
from tests.prove.system import System
from websockets.asyncio.client import ClientConnection

FIRST_READING = 20.0
AGAIN_AFTER = 60.0
"""Seconds after which the session is renewed; it would end after five minutes."""


async def _open(system: System, sources: list[str], sock: socket.socket | None = None) -> ClientConnection:
    token = await system.stream_token()
    url = f"ws://127.0.0.1:{system.port('gateway')}/api/v1/stream"
    connection = await websockets.connect(url, sock=sock, max_queue=4, compression=None)
    await connection.send(json.dumps({"type": "authenticate", "token": token}))
    await connection.send(json.dumps({"type": "subscribe", "sources": sources, "history": "0s"}))
    return connection


class Watcher:
    """Follows the readings of one source (all, when its name is empty), and notes the longest time without any."""

    def __init__(self, system: System, source: str) -> None:
        self._system = system
        self._source = source
        self._last = 0.0
        self._longest = 0.0
        self.readings = 0

    @property
    def longest_gap(self) -> float:
        """Seconds; what has not ended yet counts."""
        return max(self._longest, time.monotonic() - self._last) if self._last else float("inf")

    async def until_watching(self) -> None:
        """Wait for the first reading, but not for ever: the feed itself may be what is broken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_READING):
                while not self.readings:
                    await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(OSError, TimeoutError, websockets.WebSocketException, httpx.HTTPError):
                async with await _open(self._system, [self._source] if self._source else []) as connection:
                    renewing = asyncio.create_task(self._renew(connection))
                    try:
                        async for frame in connection:
                            self._note(json.loads(frame))
                    finally:
                        renewing.cancel()
            await asyncio.sleep(0.2)

    async def _renew(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(AGAIN_AFTER)
            with suppress(httpx.HTTPError, websockets.WebSocketException):
                token = await self._system.stream_token()
                await connection.send(json.dumps({"type": "authenticate", "token": token}))

    def _note(self, frame: dict[str, object]) -> None:
        points = frame.get("points")
        if frame["type"] != "readings" or not isinstance(points, dict):
            return
        now = time.monotonic()
        if self._last:
            self._longest = max(self._longest, now - self._last)
        self._last = now
        self.readings += len(points["value"])


class SlowClient:
    """Subscribes to everything and reads nothing. Use as an async context manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> "SlowClient":
        # A small window, so that the server feels it soon.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        with suppress(OSError, TimeoutError, websockets.WebSocketException, httpx.HTTPError):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._system.port("gateway")))
            self._connection = await _open(self._system, [], sock)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.transport.abort()
