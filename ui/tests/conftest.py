"""The stand-in services and the UI itself as real servers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from telltale_ui.api_client import ApiClient

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


def click_row(table: Locator, row: int) -> None:
    """Choose a row of a table, which is drawn on a canvas: by the box at its left."""
    table.scroll_into_view_if_needed()
    table.click(position={"x": 18, "y": 35 + 35 * row + 17})


def sign_in(page: Page, email: str, password: str) -> None:
    """Sign in by the form, once it is drawn: Streamlit may draw a field twice while it loads the field's code."""
    form = page.get_by_role("tabpanel", name="Sign in")
    expect(form.get_by_role("button", name="Sign in")).to_be_visible()
    form.get_by_role("textbox", name="E-mail").fill(email)
    form.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


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
        deadline = time.monotonic() + 100
        while True:
            try:
                httpx.get(f"{self.url}/health/live").raise_for_status()
            except httpx.HTTPError:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            else:
                return

    @property
    def pid(self) -> int:
        return self._process.pid

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
def ui_server(stand_in: str, services: Server) -> Iterator[Server]:
    """The UI with demo accounts, signing in at ``stand_in`` and showing ``services``."""
    port = _free_port()
    environment = {
        "UI_PORT": str(port),
        "AUTH_URL": stand_in,
        "QUERY_URL": services.url,
        "GENERATOR_URL": services.url,
        "ALERTS_URL": services.url,
        "GATEWAY_PORT": str(services.port),
        "DEMO_ACCOUNTS": "true",
        "ENVIRONMENT": "development",
    }
    server = Server(["-m", "telltale_ui"], port, environment)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def ui(ui_server: Server) -> str:
    """The address of the UI."""
    return ui_server.url


@pytest.fixture
def ui_process(ui_server: Server) -> psutil.Process:
    """The UI as a process, whose memory can be looked at."""
    return psutil.Process(ui_server.pid)


@pytest.fixture
def client(stand_in: str) -> Iterator[ApiClient]:
    """A client of the stand-in services."""
    at = stand_in
    with closing(ApiClient(auth_url=at, query_url=at, generator_url=at, alerts_url=at)) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)  # the first page of a cold server, on a busy machine
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def open_as(page: Page, ui: str) -> Callable[..., Page]:
    def open_page(account: str, path: str = "/") -> Page:
        page.goto(ui + path)
        page.get_by_role("button", name=account, exact=True).click()
        expect(page.get_by_role("heading", name="Sign in to Telltale")).to_be_hidden(timeout=20_000)
        return page

    return open_page
