"""Identity over the whole system: a lost right is lost everywhere at once, and nobody needs auth to go on."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from tests.conftest import Stack
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

EMAIL, PHRASE = "press.operator@plant.local", "a pass phrase of the plant"
AT_WORST = 5.0
"""Seconds; a second on a quiet machine, which `make bench-identity` measures."""


def sign_in(stack: Stack) -> str:
    form = {"username": EMAIL, "password": PHRASE}
    response = httpx.post(f"{stack.url('auth')}/api/v1/auth/token", data=form, timeout=30)
    return str(response.raise_for_status().json()["access_token"])


@pytest.fixture
def operator(stack: Stack) -> str:
    """The id of an account that is a USER."""
    body = {"email": EMAIL, "password": PHRASE}
    httpx.post(f"{stack.url('auth')}/api/v1/auth/register", json=body, timeout=30).raise_for_status()
    with stack.client("auth") as auth:
        found = auth.get("/users", params={"q": EMAIL}).raise_for_status().json()["items"][0]
        auth.patch(f"/users/{found['id']}", json={"role": "USER", "is_active": True}).raise_for_status()
    return str(found["id"])


async def refused(ask: Callable[[], Awaitable[httpx.Response]], since: float) -> float:
    """Ask until the answer is 401 or 403; seconds since then."""
    while (await ask()).status_code not in (401, 403):
        assert time.monotonic() - since < AT_WORST
        await asyncio.sleep(0.01)
    return time.monotonic() - since


@pytest.mark.parametrize(
    "change", [("PATCH", "", {"role": "VIEWER"}), ("PATCH", "", {"is_active": False}), ("DELETE", "/sessions", None)]
)
def test_lost_right_is_lost_in_every_service_and_socket(
    stack: Stack, operator: str, change: tuple[str, str, dict[str, Any] | None]
) -> None:
    asyncio.run(_lose(stack, operator, *change))


async def _lose(stack: Stack, operator: str, method: str, path: str, body: dict[str, Any] | None) -> None:
    bearer = {"Authorization": f"Bearer {sign_in(stack)}"}
    async with httpx.AsyncClient(headers=bearer, timeout=30) as http, connect(stack.stream_url) as socket:
        stream = await http.post(f"{stack.url('auth')}/api/v1/auth/stream-token")
        await socket.send(json.dumps({"type": "authenticate", "token": stream.json()["token"]}))
        await socket.send(json.dumps({"type": "subscribe"}))
        while json.loads(await socket.recv())["type"] != "subscribed":
            pass
        asked: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
            "auth": lambda: http.get(f"{stack.url('auth')}/api/v1/auth/me"),
            "query": lambda: http.get(f"{stack.url('query')}/api/v1/series", params={"limit": 1}),
            "generator": lambda: http.get(f"{stack.url('generator')}/api/v1/generator"),
            "generator-host": lambda: http.get(f"{stack.url('generator-host')}/api/v1/generator"),
        }
        for name, ask in asked.items():
            assert (await ask()).status_code == 200, name
        with stack.client("auth") as admin:
            admin.request(method, f"/users/{operator}{path}", json=body).raise_for_status()
        begun = time.monotonic()
        reading = asyncio.create_task(_read_to_the_end(socket))
        await asyncio.gather(*(refused(ask, begun) for ask in asked.values()))
        async with asyncio.timeout(AT_WORST):
            await reading
        assert socket.close_code == 4403


async def _read_to_the_end(socket: Any) -> None:
    with suppress(ConnectionClosedError):
        async for _ in socket:
            pass


def test_tokens_stay_good_while_auth_is_away_and_keys_are_looked_up_again_after(stack: Stack) -> None:
    with stack.client("auth", "user") as auth:
        wanted = {"name": "probe", "scopes": ["read"], "expires_in_days": 1}
        created = auth.post("/auth/api-keys", json=wanted).raise_for_status().json()
    key = {"Authorization": f"Bearer {created['key']}"}
    series = f"{stack.url('query')}/api/v1/series"
    with stack.client("query", "viewer") as query:
        assert query.get("/series").status_code == 200
        stack.stop("auth")
        try:
            assert query.get("/series").status_code == 200
            assert httpx.get(series, headers=key, timeout=10).status_code == 503, "never seen before"
        finally:
            stack.start("auth")
        end = time.monotonic() + 60
        while httpx.get(series, headers=key, timeout=10).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)
    with stack.client("auth", "user") as auth:
        auth.delete(f"/auth/api-keys/{created['id']}").raise_for_status()
    begun = time.monotonic()
    while httpx.get(series, headers=key, timeout=10).status_code != 401:
        assert time.monotonic() - begun < AT_WORST
