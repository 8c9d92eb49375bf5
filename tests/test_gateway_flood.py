"""Ten thousand who should not be let in knock at the gateway: refused cheaply, and who is in notices nothing."""

import asyncio
import base64
import json
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
from tests.conftest import Stack
from websockets.asyncio.client import connect

ATTEMPTS = 10_000
AT_ONCE = 100
SIXTEEN_MIB = 16 * 2**20
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 10.0
"""The longest that who is in may hear nothing; readings come many times a second."""
GROWTH_MIB = 64.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def frame(opcode: int, payload: bytes, announced: int | None = None) -> bytes:
    """A masked frame whose head may announce more than follows. The mask is zero: the payload stays as it is."""
    length = len(payload) if announced is None else announced
    return bytes((0x80 | opcode, 0xFF)) + length.to_bytes(8, "big") + b"\0\0\0\0" + payload


class Knocker:
    """Ways of opening a connection that end in a refusal; each gives what the refusal was."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def from_elsewhere(self) -> str:
        """A page of another origin."""
        return await self._shake_hands(await self._open(), "Origin: http://evil.example\r\n")

    async def with_a_huge_frame(self) -> str:
        """16 MiB as the first message."""
        return await self._say(frame(1, b" " * 1_000, announced=SIXTEEN_MIB))

    async def without_a_token(self) -> str:
        """A subscription before any authentication."""
        return await self._say(frame(1, b'{"type":"subscribe"}'))

    async def with_a_forged_token(self) -> str:
        """A token that nobody issued."""
        token = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiQURNSU4ifQ."
        return await self._say(frame(1, json.dumps({"type": "authenticate", "token": token}).encode()))

    async def and_leaves(self) -> str:
        """Nothing is said, and nothing waited for."""
        streams = await self._open()
        status = await self._shake_hands(streams)
        streams[1].transport.abort()
        return status

    async def with_no_http(self) -> str:
        """Bytes of another protocol."""
        reader, writer = await self._open()
        writer.write(b"\x16\x03\x01\x02\x00" + os.urandom(200) + b"\r\n\r\n")
        answer = await reader.read(12)
        writer.transport.abort()
        return answer[9:12].decode() or "closed"

    async def _open(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _shake_hands(self, streams: Streams, headers: str = "") -> str:
        reader, writer = streams
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            "GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n".encode()
        )
        status = (await reader.readuntil(b"\r\n\r\n"))[9:12].decode()
        if status != "101":
            writer.transport.abort()
        return status

    async def _say(self, content: bytes) -> str:
        streams = reader, writer = await self._open()
        try:
            if (status := await self._shake_hands(streams)) != "101":
                return status
            writer.write(content)
            while True:
                head = await reader.readexactly(2)
                length = head[1] if head[1] < 126 else int.from_bytes(await reader.readexactly(2), "big")
                payload = await reader.readexactly(length)
                if head[0] & 0x0F == 8:
                    return str(int.from_bytes(payload[:2], "big"))
        except (ConnectionError, asyncio.IncompleteReadError):
            return "closed"
        finally:
            writer.transport.abort()


def memory(stack: Stack) -> float:
    """MiB in RAM of the gateway."""
    told = httpx.get(f"{stack.url('gateway')}/metrics", timeout=30).text
    found = re.search(r"^process_resident_memory_bytes ([0-9.e+]+)", told, re.MULTILINE)
    assert found
    return float(found[1]) / 2**20


async def listen(stack: Stack, token: str, is_over: asyncio.Event, settled: asyncio.Event) -> list[float]:
    """Be somebody who is in until ``is_over``; seconds between two frames."""
    gaps: list[float] = []
    async with connect(stack.stream_url, max_size=None) as socket:
        await socket.send(json.dumps({"type": "authenticate", "token": token}))
        await socket.send(json.dumps({"type": "subscribe"}))
        at = time.monotonic()
        while not is_over.is_set():
            async with asyncio.timeout(SILENCE_SECONDS):
                kind = json.loads(await socket.recv())["type"]
            if kind == "readings":
                settled.set()
                gaps.append(time.monotonic() - at)
                at = time.monotonic()
    return gaps


async def knock(stack: Stack, token: str) -> tuple[Counter[tuple[str, str]], list[float]]:
    """Make all attempts beside somebody who is in; what they ended in, and what that one heard."""
    knocker = Knocker(stack.port("gateway"))
    ways: list[Callable[[], Awaitable[str]]] = [
        knocker.from_elsewhere, knocker.with_a_huge_frame, knocker.without_a_token, knocker.with_a_forged_token,
        knocker.and_leaves, knocker.with_no_http,
    ]  # fmt: skip
    outcomes: Counter[tuple[str, str]] = Counter()
    left = iter(range(ATTEMPTS))

    async def some() -> None:
        for number in left:
            way = ways[number % len(ways)]
            async with asyncio.timeout(ANSWER_SECONDS):
                outcomes[way.__name__, await way()] += 1

    is_over, settled = asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(listen(stack, token, is_over, settled))
    await settled.wait()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    is_over.set()
    return outcomes, await listening


def test_ten_thousand_refusals_cost_little(stack: Stack) -> None:
    with stack.client("auth", "viewer") as auth:
        token = auth.post("/auth/stream-token").raise_for_status().json()["token"]
    before, begun = memory(stack), time.monotonic()
    outcomes, gaps = asyncio.run(knock(stack, token))
    took, after = time.monotonic() - begun, memory(stack)
    print(f"\n{ATTEMPTS:,} refused in {took:.0f} s: {dict(outcomes)}")
    print(f"longest silence {max(gaps):.2f} s of {len(gaps)} frames; memory {before:.0f} MiB, then {after:.0f} MiB")
    expected = {
        "from_elsewhere": {"403"},
        "with_a_huge_frame": {"1009"},
        "without_a_token": {"4401"},
        "with_a_forged_token": {"4401"},
        "and_leaves": {"101"},
        "with_no_http": {"400", "closed"},
    }
    for (way, ended), count in outcomes.items():
        assert ended in expected[way], f"{way} ended with {ended}, {count} times"
    assert sum(outcomes.values()) == ATTEMPTS
    assert after - before < GROWTH_MIB
    assert stack.is_ready("gateway")
