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


def _serve(command: list[str], url: str, environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/health/live").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    """Auth, query, generator and gateway: the base address of the stand-in."""
    port = _free_port()
    yield from _serve([str(HERE / "stand_in.py"), str(port)], f"http://127.0.0.1:{port}", {})


@pytest.fixture(scope="session")
def ui(stand_in: str) -> Iterator[str]:
    """The UI, talking to the stand-in, with demo accounts: its address."""
    port = _free_port()
    environment = {
        "UI_PORT": str(port),
        "AUTH_URL": stand_in,
        "QUERY_URL": stand_in,
        "GENERATOR_URL": stand_in,
        "GATEWAY_PORT": stand_in.rsplit(":", 1)[1],
        "DEMO_ACCOUNTS": "true",
        "ENVIRONMENT": "development",
    }
    yield from _serve(["-m", "telltale_ui"], f"http://127.0.0.1:{port}", environment)


@pytest.fixture
def client(stand_in: str) -> Iterator[ApiClient]:
    """A client of the stand-in services."""
    with closing(ApiClient(auth_url=stand_in, query_url=stand_in, generator_url=stand_in)) as client:
        yield client
