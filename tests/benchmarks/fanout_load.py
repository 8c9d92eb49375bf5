"""Many WebSocket clients in one cheap process: they connect, say what they are told to, and count what they get.

A process of its own, driven over its standard input and output, so that what clients cost is not the server's:

- the first line is a :class:`Plan` as JSON; once all clients are connected and have said what they had to, it answers
  ``{"connected": n}``;
- ``measure SECONDS`` answers with a :class:`Counted`, and the end of the input ends it.

A client reads frames as raw bytes and looks into them only for when their readings were published.
"""

import base64
import json
import secrets
import select
import socket
import struct
import sys
import time
from array import array
from dataclasses import asdict, dataclass, field

from websockets.frames import Frame, Opcode

PUBLISHED = b'"published_at":['
DIGITS = 16
"""Of the microseconds since 1970, from 2001 to 2286."""
BUFFER = 1 << 18
CONNECT_SECONDS = 30
OPCODE = 0x0F
"""Where a frame's first byte says of what kind it is."""


@dataclass(frozen=True)
class Plan:
    """What the clients do."""

    port: int
    path: str
    connections: int
    says: list[str] = field(default_factory=list)
    """Text messages that each sends at first."""
    stalled: int = 0
    """So many of them read nothing after that."""


@dataclass
class Counted:
    """What was seen during a measurement."""

    frames: int = 0
    """Frames with readings, of all clients."""
    bytes: int = 0
    latencies: dict[str, float] = field(default_factory=dict)
    """Seconds from the publishing of a frame's first reading to its arrival, by quantile."""
    processor_seconds: float = 0.0
    """Spent by this process."""
    closed: dict[int, float] = field(default_factory=dict)
    """When each client that the server closed was closed, in seconds since the beginning of the measurement."""


class Client:
    """One connection; it keeps only what is left of a frame whose end has not come yet."""

    __slots__ = ("rest", "socket")

    def __init__(self, plan: Plan) -> None:
        self.socket = socket.create_connection(("127.0.0.1", plan.port), CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.socket.sendall(
            f"GET {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(BUFFER)
            if not more:
                raise RuntimeError(f"refused: {answer!r}")
            answer += more
        head, _, self.rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"refused: {head!r}")
        for text in plan.says:
            self.socket.sendall(Frame(Opcode.TEXT, text.encode()).serialize(mask=True))
        self.socket.setblocking(False)


class Load:
    """All clients, and what they count."""

    def __init__(self, plan: Plan) -> None:
        self._poll = select.epoll()
        self._buffer = bytearray(BUFFER)
        self._latencies = array("d")
        self._counted = Counted()
        self._clients: dict[int, Client] = {}
        self._began = 0.0
        for number in range(plan.connections):
            client = Client(plan)
            self._clients[client.socket.fileno()] = client
            reads = 0 if number < plan.stalled else select.EPOLLIN
            self._poll.register(client.socket, reads | select.EPOLLRDHUP)
        self._stalled = set(list(self._clients)[: plan.stalled])

    def run_until(self, deadline: float) -> None:
        """Read what comes until ``deadline``, by the monotonic clock."""
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, event in self._poll.poll(left):
                if event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                    self._end(descriptor)
                else:
                    self._read(self._clients[descriptor])

    def measure(self, seconds: float) -> Counted:
        """Count for ``seconds``."""
        self._counted, self._latencies = Counted(), array("d")
        processor, self._began = time.process_time(), time.monotonic()
        self.run_until(self._began + seconds)
        self._counted.processor_seconds = time.process_time() - processor
        ranked = sorted(self._latencies)
        if ranked:
            shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "worst": 1.0}
            places = {name: min(len(ranked) - 1, int(share * len(ranked))) for name, share in shares.items()}
            self._counted.latencies = {name: ranked[place] for name, place in places.items()}
        return self._counted

    def _end(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._clients.pop(descriptor).socket.close()
        self._counted.closed[descriptor] = time.monotonic() - self._began

    def _read(self, client: Client) -> None:
        rest = client.rest
        size = len(rest)
        buffer = self._buffer
        if size:
            if size > BUFFER // 2:
                buffer = bytearray(4 * size)
            buffer[:size] = rest
        try:
            end = size + client.socket.recv_into(memoryview(buffer)[size:])
        except BlockingIOError:
            return
        if end == size:
            self._end(client.socket.fileno())
            return
        self._counted.bytes += end - size
        client.rest = self._count(client, buffer, end)

    def _count(self, client: Client, buffer: bytearray, end: int) -> bytes:
        """Count the frames in ``buffer`` up to ``end``; return what belongs to one that is not complete."""
        now = time.time()
        at = 0
        while (bounds := payload_bounds(buffer, at, end)) is not None:
            is_ping = buffer[at] & OPCODE == Opcode.PING
            begin, at = bounds
            if is_ping:
                client.socket.send(Frame(Opcode.PONG, bytes(buffer[begin:at])).serialize(mask=True))
            stamp = buffer.find(PUBLISHED, begin, at)
            if stamp >= 0:
                stamp += len(PUBLISHED)
                self._counted.frames += 1
                self._latencies.append(now - int(buffer[stamp : stamp + DIGITS]) / 1e6)
        return bytes(buffer[at:end])


def payload_bounds(buffer: bytearray, at: int, end: int) -> tuple[int, int] | None:
    """Where the payload of the frame at ``at`` begins and ends; None when ``end`` comes first."""
    if end - at < 2:
        return None
    length, begin = buffer[at + 1], at + 2
    if end - begin < {126: 2, 127: 8}.get(length, 0):
        return None
    if length == 126:
        length, begin = struct.unpack_from("!H", buffer, begin)[0], at + 4
    elif length == 127:
        length, begin = struct.unpack_from("!Q", buffer, begin)[0], at + 10
    return None if end - begin < length else (begin, begin + length)


def main() -> None:
    """Do what the standard input says."""
    commands = sys.stdin
    load = Load(Plan(**json.loads(commands.readline())))
    print(json.dumps({"connected": len(load._clients)}), flush=True)
    while True:
        if select.select([commands], [], [], 0)[0]:
            line = commands.readline()
            if not line:
                return
            print(json.dumps(asdict(load.measure(float(line.split()[1])))), flush=True)
        load.run_until(time.monotonic() + 0.05)


if __name__ == "__main__":
    main()
