"""The stand-in services and the UI itself as real servers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from telltale_ui.api_client import ApiClient

HERE = Path(__file__).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process that a test may stop and start again."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, *command]
        self._environment = {**os.environ, **environment}
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, env=self._environment)
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{self.url}/health/live").raise_for_status()
            except httpx.HTTPError:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


def _stand_in() -> Iterator[Server]:
    port = _free_port()
    server = Server([str(HERE / "stand_in.py"), str(port)], port, {})
    yield server
    server.kill()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    """Auth, query, generator and gateway: the base address of the stand-in."""
    for server in _stand_in():
        yield server.url


@pytest.fixture(scope="session")
def services() -> Iterator[Server]:
    """Query, generator and gateway once more, as a process that may be killed while people stay signed in."""
    yield from _stand_in()


@pytest.fixture(scope="session")
def ui(stand_in: str, services: Server) -> Iterator[str]:
    """The UI with demo accounts, signing in at ``stand_in`` and showing ``services``: its address."""
    port = _free_port()
    environment = {
        "UI_PORT": str(port),
        "AUTH_URL": stand_in,
        "QUERY_URL": services.url,
        "GENERATOR_URL": services.url,
        "GATEWAY_PORT": str(services.port),
        "DEMO_ACCOUNTS": "true",
        "ENVIRONMENT": "development",
    }
    server = Server(["-m", "telltale_ui"], port, environment)
    yield server.url
    server.kill()


@pytest.fixture
def client(stand_in: str) -> Iterator[ApiClient]:
    """A client of the stand-in services."""
    with closing(ApiClient(auth_url=stand_in, query_url=stand_in, generator_url=stand_in)) as client:
        yield client
