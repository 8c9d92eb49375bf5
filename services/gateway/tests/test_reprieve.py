"""Sessions go on while nobody can renew them, and only then."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from telltale_gateway import reprieve
from telltale_gateway.reprieve import Reprieve
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


class AuthService:
    """Says whether it is ready."""

    status = 503
    asked = 0

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status if self.path == "/health/ready" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def auth() -> Iterator[AuthService]:
    running = AuthService()
    thread = threading.Thread(target=running.server.serve_forever)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


async def _looked_after(auth_url: str, *, is_current: bool, looks: "AuthService | None" = None) -> list[float]:
    """What a session was granted in the time of some looks at auth."""
    granted: list[float] = []
    there = Reprieve()
    with there.joined(granted.append):
        running = asyncio.create_task(there.run(auth_url, seconds=300, is_current=lambda: is_current, period=0.01))
        try:
            if looks is not None:
                await eventually(lambda: looks.asked >= 5, 20)
            else:
                await eventually(lambda: granted, 20)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    return granted


async def test_a_session_goes_on_while_auth_issues_nothing(auth: AuthService) -> None:
    assert (await _looked_after(auth.url, is_current=True, looks=auth))[0] == 300


async def test_a_session_goes_on_while_auth_is_not_there(free_port: int) -> None:
    assert (await _looked_after(f"http://127.0.0.1:{free_port}", is_current=True))[0] == 300


async def test_nothing_is_granted_while_auth_is_there(auth: AuthService) -> None:
    auth.status = 200
    assert await _looked_after(auth.url, is_current=True, looks=auth) == []


async def test_nothing_is_granted_while_revocations_are_not_read(auth: AuthService) -> None:
    assert await _looked_after(auth.url, is_current=False, looks=auth) == []


async def test_an_outage_without_end_ends_the_sessions(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprieve, "LONGEST", 0.0)
    assert await _looked_after(auth.url, is_current=True, looks=auth) == []
