"""Registering, signing in, staying signed in, signing out."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from telltale_auth.demo import PASSWORD
from telltale_auth.sessions.service import FAMILY_LIFETIME, REFRESH_GRACE, REFRESH_IDLE, SESSION_IDLE
from telltale_shared.testing import eventually

from .conftest import Api

pytestmark = pytest.mark.anyio

Later = Callable[[timedelta], None]


async def test_register_then_sign_in_then_ask_who_one_is(api: Api) -> None:
    created = await api.register(" Ada@Example.COM ", "correct horse battery staple", "Ada")
    assert created | {"id": "", "created_at": ""} == {
        "id": "",
        "email": "ada@example.com",
        "name": "Ada",
        "role": "VIEWER",
        "is_active": True,
        "created_at": "",
        "last_login_at": None,
    }
    assert created["created_at"].endswith("Z")
    tokens = await api.token("ADA@example.com", "correct horse battery staple")
    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 300
    me = await api.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["email"] == "ada@example.com"
    assert me.json()["last_login_at"] is not None


async def test_session_gives_tokens_until_it_is_ended(api: Api) -> None:
    response = await api.http.post("/api/v1/auth/sessions", json={"email": "user@example.com", "password": PASSWORD})
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["user"]["role"] == "USER"
    session = {"Authorization": f"Session {response.json()['session_id']}"}

    token = await api.http.post("/api/v1/auth/sessions/token", headers=session)
    assert token.status_code == 200
    assert token.json()["user"]["email"] == "user@example.com"
    bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
    assert (await api.http.get("/api/v1/auth/me", headers=bearer)).status_code == 200

    assert (await api.http.delete("/api/v1/auth/sessions/current", headers=session)).status_code == 204
    assert (await api.http.delete("/api/v1/auth/sessions/current", headers=session)).status_code == 204
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401


@pytest.mark.parametrize("idle", [True, False])
async def test_session_ends_by_itself(api: Api, later: Later, idle: bool) -> None:
    session = await api.session("user@example.com")
    steps = 1 if idle else 8
    for _ in range(steps):
        assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 200
        later(SESSION_IDLE if idle else timedelta(hours=22))
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401


@pytest.mark.parametrize("header", ["", "Session", "Session x", "Bearer x", "Session " + "x" * 5_000])
async def test_session_header_that_is_none(api: Api, header: str) -> None:
    response = await api.http.post("/api/v1/auth/sessions/token", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


async def refresh(api: Api, token: str) -> tuple[int, str]:
    response = await api.http.post("/api/v1/auth/refresh", json={"refresh_token": token})
    return response.status_code, response.json().get("refresh_token", "")


async def test_refresh_rotates(api: Api) -> None:
    first = (await api.token("user"))["refresh_token"]
    status, second = await refresh(api, first)
    assert status == 200
    assert second != first
    assert (await refresh(api, second))[0] == 200


async def test_refresh_token_used_again_ends_its_family(api: Api, later: Later) -> None:
    first = (await api.token("user"))["refresh_token"]
    others = (await api.token("user"))["refresh_token"]
    _, second = await refresh(api, first)
    later(REFRESH_GRACE + timedelta(seconds=1))
    assert (await refresh(api, first))[0] == 401
    assert (await refresh(api, second))[0] == 401, "the thief's or the owner's: nobody can tell, so both end"
    assert (await refresh(api, others))[0] == 200, "another sign-in is another family"
    audit = await api.http.get("/api/v1/audit", params={"q": "reuse"}, headers=await api.bearer("admin"))
    assert [entry["action"] for entry in audit.json()["items"]] == ["tokens.reuse_detected"]


async def test_two_honest_refreshes_at_once_both_survive(api: Api, later: Later) -> None:
    first = (await api.token("user"))["refresh_token"]
    answers = await asyncio.gather(refresh(api, first), refresh(api, first))
    assert [status for status, _ in answers] == [200, 200]
    later(REFRESH_GRACE + timedelta(seconds=1))
    for _, token in answers:
        assert (await refresh(api, token))[0] == 200


async def test_refresh_token_expires(api: Api, later: Later) -> None:
    token = (await api.token("user"))["refresh_token"]
    later(REFRESH_IDLE)
    assert (await refresh(api, token))[0] == 401


async def test_family_expires_however_often_it_is_refreshed(api: Api, later: Later) -> None:
    token = (await api.token("user"))["refresh_token"]
    passed = timedelta()
    while passed + timedelta(days=6) < FAMILY_LIFETIME:
        later(timedelta(days=6))
        passed += timedelta(days=6)
        status, token = await refresh(api, token)
        assert status == 200
    later(timedelta(days=6))
    assert (await refresh(api, token))[0] == 401


async def test_logout_ends_the_family(api: Api) -> None:
    first = (await api.token("user"))["refresh_token"]
    _, second = await refresh(api, first)
    for _ in range(2):
        response = await api.http.post("/api/v1/auth/logout", json={"refresh_token": second})
        assert response.status_code == 204
    assert (await refresh(api, second))[0] == 401
    assert (await refresh(api, first))[0] == 401


async def test_purge_deletes_what_has_expired(api: Api, later: Later) -> None:
    await api.token("user")
    await api.session("user@example.com")
    later(FAMILY_LIFETIME + timedelta(days=1))

    async def left() -> list[int]:
        tables = ("sessions", "refresh_families", "refresh_tokens")
        async with api.app.state.engine.connect() as connection:
            counts = [await connection.execute(text(f"SELECT COUNT(*) FROM {table}")) for table in tables]
        return [count.scalar_one() for count in counts]

    async def nothing_is_left() -> bool:
        return not any(await left())

    assert await left() == [1, 1, 1]
    purge = asyncio.create_task(api.app.state.sessions.purge_for_ever())
    try:
        await eventually(nothing_is_left)
    finally:
        purge.cancel()
