"""The servers that the fan-out is measured on: the gateway, and those that it is measured beside."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fanout_nginx
import httpx
from fanout_load import Plan
from fanout_rivals import batch, delays, payload
from services import Services, token

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import encode, schema_of
from telltale_shared.testing import Access
from telltale_shared.topology import LIVE_READINGS, topology

HERE = Path(__file__).parent
PATH = "/api/v1/stream"
SERVER_CORE, *OTHER_CORES = sorted(os.sched_getaffinity(0))
"""The core of the server that is measured, and those of everything else."""
GATEWAY, NCHAN, RAW = "gateway", "nginx nchan", "raw send()"
FASTAPI, FASTAPI_BEFORE = "FastAPI send_text", "FastAPI, ws=websockets"
START_LOOKS, START_PERIOD = 200, 0.1
"""How often, and with how many seconds in between, a server is looked for."""


def pin(pid: int, cores: set[int]) -> None:
    """Let the process run on ``cores`` only."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One that is measured."""

    name: str
    pid: int
    port: int
    says: list[str]
    """What its clients say at first."""
    feed: Callable[[threading.Event], None] | None = None
    """Gives it something to send until the event is set; None: it has something of its own."""

    def plan(self, subscribers: int, stalled: int = 0) -> Plan:
        return Plan(self.port, PATH, subscribers, self.says, stalled)

    @contextmanager
    def fed(self) -> Iterator[None]:
        """It has something to send as long as the block runs."""
        if self.feed is None:
            yield
            return
        end = threading.Event()
        feeding = threading.Thread(target=self.feed, args=(end,))
        feeding.start()
        try:
            yield
        finally:
            end.set()
            feeding.join()


def publishing(broker: Access) -> Callable[[threading.Event], None]:
    """Publishes to the live stream at the common rate."""

    async def publish(end: threading.Event) -> None:
        address = BrokerAddress(broker.url, broker.password)
        async with Publisher(address, topology(), name="bench fan-out") as publisher:
            for number, delay in enumerate(delays()):
                await asyncio.sleep(delay)
                if end.is_set():
                    return
                readings = batch(number)
                await publisher.publish(LIVE_READINGS, encode(readings), schema=schema_of(readings))

    return lambda end: asyncio.run(publish(end))


def posting(port: int) -> Callable[[threading.Event], None]:
    """Posts to nchan at the common rate."""

    def post(end: threading.Event) -> None:
        with httpx.Client() as http:
            for number, delay in enumerate(delays()):
                time.sleep(delay)
                if end.is_set():
                    return
                http.post(f"http://127.0.0.1:{port}/publish", content=payload(number)).raise_for_status()

    return post


@contextmanager
def rival(kind: str, name: str) -> Iterator[Server]:
    """A server of ``fanout_rivals.py``."""
    port = free_port()
    process = subprocess.Popen([sys.executable, HERE / "fanout_rivals.py", kind, str(port)])
    try:
        for _ in range(START_LOOKS):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(START_PERIOD)
        pin(process.pid, {SERVER_CORE})
        yield Server(name, process.pid, port, [])
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def nchan(folder: Path) -> Iterator[Server]:
    """nginx, fed by POST."""
    port = free_port()
    with fanout_nginx.running(folder, port) as process:
        pin(process.pid, {SERVER_CORE})
        yield Server(NCHAN, process.pid, port, [], posting(port))


def gateway(services: Services, broker: Access) -> Server:
    """A gateway over an empty stream."""
    service = services.start("telltale_gateway", "GATEWAY_PORT")
    pin(service.process.pid, {SERVER_CORE})
    says = [json.dumps({"type": "authenticate", "token": token("stream")}), json.dumps({"type": "subscribe"})]
    return Server(GATEWAY, service.process.pid, service.port, says, publishing(broker))
