"""A whole stack of its own for the tests of the whole system: started once, on other ports than the user's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.topology import topology

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / ".run" / "pictures"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
PORTS = {
    "query": 8000,
    "auth": 8001,
    "gateway": 8002,
    "generator": 8003,
    "writer": 8004,
    "detector": 8005,
    "alerts": 8006,
    "jobs": 8007,
    "generator-host": 8013,
    "ui": 8501,
    "mariadb": 13306,
    "rabbitmq": 13672,
}
PASSWORD = "Password123!"


@dataclass(frozen=True)
class Stack:
    """A running stack: where its parts are, and how to disturb them."""

    folder: Path

    def port(self, name: str) -> int:
        """The port of a service or server."""
        return PORTS[name] + int((self.folder / "port-offset").read_text())

    def url(self, name: str) -> str:
        """The base URL of a service, without a slash at its end."""
        return f"http://127.0.0.1:{self.port(name)}"

    @property
    def stream_url(self) -> str:
        """The gateway's WebSocket."""
        return f"ws://127.0.0.1:{self.port('gateway')}/api/v1/stream"

    def control(self, command: str, *names: str) -> str:
        """Run a command of ``deploy/native/stack.py``: ``start``, ``stop``, ``kill``, ``status``, …"""
        options = ("--run-dir", str(self.folder), "--port-offset", "auto", "--env-file", "/dev/null")
        result = subprocess.run(
            (sys.executable, str(ROOT / "deploy" / "native" / "stack.py"), command, *names, *options),
            capture_output=True,
            text=True,
            check=False,
            # The receivers of these tests listen on this machine.
            env=os.environ | {"ALERTS_WEBHOOK_PRIVATE_ADDRESSES": "true"},
        )
        if result.returncode:
            raise RuntimeError(f"stack.py {command} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def kill(self, *names: str) -> None:
        """Kill processes (-9); supervisord starts them again by itself."""
        self.control("kill", *names)

    def stop(self, *names: str) -> None:
        """Stop processes, which stay stopped."""
        self.control("stop", *names)

    def start(self, *names: str) -> None:
        """Start stopped processes."""
        self.control("start", *names)

    def is_ready(self, name: str) -> bool:
        """Whether a service says that it and all its dependencies work."""
        try:
            return httpx.get(f"{self.url(name)}/health/ready", timeout=3).status_code == 200
        except httpx.TransportError:
            return False

    def token(self, account: str = "admin") -> str:
        """An access token of a demo account: ``admin``, ``user`` or ``viewer``."""
        form = {"username": f"{account}@example.com", "password": PASSWORD}
        response = httpx.post(f"{self.url('auth')}/api/v1/auth/token", data=form, timeout=10)
        response.raise_for_status()
        return str(response.json()["access_token"])

    async def publish(self, routing_key: str, *bodies: bytes) -> None:
        """Publish messages of any content, as a program of somebody else's could."""
        password = next((self.folder / "secrets").glob("*/AMQP_PASSWORD")).read_text().strip()
        url = f"amqp://telltale@127.0.0.1:{self.port('rabbitmq')}/telltale"
        async with Publisher(BrokerAddress(url, password), topology(), name="stranger") as publisher:
            for body in bodies:
                await publisher.publish(routing_key, body, schema="reading_batch/1")

    def client(self, name: str, account: str = "admin") -> httpx.Client:
        """An HTTP client of one service, logged in as a demo account; close it."""
        headers = {"Authorization": f"Bearer {self.token(account)}"}
        return httpx.Client(base_url=f"{self.url(name)}/api/v1", headers=headers, timeout=10)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A fresh, healthy stack; stopped at the end, its folder is kept for a look at the logs."""
    running = Stack(ROOT / ".run" / "end-to-end")
    running.control("down")
    shutil.rmtree(running.folder, ignore_errors=True)
    print(running.control("up", "--group", "dev"))
    try:
        yield running
    finally:
        running.control("down")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file: while it is there, no other test can run an event loop of its own."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(browser: Browser, stack: Stack) -> Iterator[Callable[[str], Page]]:
    contexts = []
    errors: list[str] = []

    def open_as(account: str) -> Page:
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(stack.url("ui"))
        page.get_by_role("button", name=account, exact=True).click()
        expect(page.get_by_role("heading", name="Sign in to Telltale")).to_be_hidden(timeout=30_000)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert errors == []
