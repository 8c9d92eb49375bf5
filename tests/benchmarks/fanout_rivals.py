"""What the gateway is measured beside: servers that send one frame to everybody, 20 times a second, and nothing else.

- ``raw``: plain sockets and a loop of ``send()`` of one prebuilt frame, which is the practical limit;
- ``websockets-sansio`` and ``websockets``: FastAPI, and a loop of ``send_text``, on uvicorn with its WebSocket protocol
  of that name. The first is what uvicorn takes by itself, the second what it took before.

(nginx with nchan, which is fed over HTTP, is set up by ``fanout_nginx.py``.)

Usage: python tests/benchmarks/fanout_rivals.py raw|websockets|websockets-sansio PORT
"""

import asyncio
import contextlib
import itertools
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from telltale_shared.contracts import ReadingBatch, SeriesKey
from telltale_shared.contracts.stream import Points, Position, Readings
from telltale_shared.system_events import now_us

RATE = 20
"""Frames a second."""
SERIES = [
    SeriesKey(f"press-{n // 4}", ("temperature", "vibration", "current", "pressure")[n % 4], "mm/s") for n in range(12)
]
PRODUCER = "0f3c2a8b9d7e4c61a5f0b2d3c4e5f6a7"


def batch(number: int) -> ReadingBatch:
    """The delivery whose frame is sent to everybody: a reading of each series, about 1 KB."""
    now = now_us()
    return ReadingBatch(
        producer=PRODUCER,
        service="bench",
        first=1 + number * len(SERIES),
        confirmed=number * len(SERIES),
        published_at=now,
        series=SERIES,
        index=list(range(len(SERIES))),
        observed_at=[now] * len(SERIES),
        value=[20.25 + (number + n) % 8 for n in range(len(SERIES))],
    )


def payload(number: int) -> bytes:
    """The frame itself, as the gateway words it."""
    readings = batch(number)
    return msgspec.json.encode(
        Readings(
            position=Position(offset=number, producer=PRODUCER, first=readings.first, at=readings.published_at),
            sent_at=readings.published_at,
            points=Points(
                series=readings.series,
                index=readings.index,
                observed_at=readings.observed_at,
                value=readings.value,
                published_at=[readings.published_at] * readings.count,
            ),
        )
    )


def delays() -> Iterator[float]:
    """Seconds to wait before each next frame, so that the rate is kept."""
    began = time.monotonic()
    for number in itertools.count(1):
        yield max(0.0, began + number / RATE - time.monotonic())


# --- raw


def serve_raw(port: int) -> None:
    """Send to plain sockets, one after the other."""
    members: list[socket.socket] = []
    threading.Thread(
        target=_accept, args=(socket.create_server(("127.0.0.1", port), backlog=1_024), members), daemon=True
    ).start()
    for number, delay in enumerate(delays()):
        time.sleep(delay)
        frame = Frame(Opcode.TEXT, payload(number)).serialize(mask=False)
        for member in list(members):
            try:
                member.send(frame)
            except BlockingIOError:
                continue
            except OSError:
                members.remove(member)


def _accept(server: socket.socket, members: list[socket.socket]) -> None:
    while True:
        connection, _ = server.accept()
        handshake = ServerProtocol()
        requests: list[object] = []
        while not requests and (data := connection.recv(65_536)):
            handshake.receive_data(data)
            requests = list(handshake.events_received())
        if not requests or not isinstance(requests[0], Request):
            connection.close()
            continue
        handshake.send_response(handshake.accept(requests[0]))
        connection.sendall(b"".join(handshake.data_to_send()))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        members.append(connection)


# --- FastAPI


def serve_fastapi(port: int, protocol: Literal["websockets", "websockets-sansio"]) -> None:
    """Await ``send_text`` for one WebSocket after the other."""
    members: set[WebSocket] = set()

    async def send_to_all() -> None:
        for number, delay in enumerate(delays()):
            await asyncio.sleep(delay)
            text = payload(number).decode()
            for member in list(members):
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await member.send_text(text)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sending = asyncio.create_task(send_to_all())
        yield
        sending.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/api/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        members.add(websocket)
        try:
            async for _ in websocket.iter_text():
                pass
        finally:
            members.discard(websocket)

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        log_level="error",
        ws=protocol,
        ws_per_message_deflate=False,
    )


def main() -> None:
    """Serve what the command line names."""
    kind, port = sys.argv[1], int(sys.argv[2])
    match kind:
        case "raw":
            serve_raw(port)
        case "websockets" | "websockets-sansio":
            serve_fastapi(port, kind)
        case _:
            sys.exit(f"{kind} is none of the servers")


if __name__ == "__main__":
    main()
