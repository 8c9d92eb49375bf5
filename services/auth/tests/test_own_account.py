"""What the owner of an account does with it: its password, its sessions, its API keys."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest

from telltale_auth.keys.service import MAX_KEYS
from telltale_auth.schema import utc_now
from telltale_auth.sessions.service import REFRESH_IDLE, SESSION_IDLE
from telltale_auth.sessions.throttle import PAIR
from telltale_shared.security import KEY_LENGTH, KEY_PREFIX

from .conftest import PHRASE, Api

pytestmark = pytest.mark.anyio

ADA = "ada@plant.local"
NEW = "quite another phrase of ours"


@pytest.fixture
async def ada(api: Api) -> dict[str, Any]:
    return await api.register(ADA)


async def bearer_of(api: Api, session: dict[str, str]) -> dict[str, str]:
    response = await api.http.post("/api/v1/auth/sessions/token", headers=session)
    assert response.status_code == 200, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


async def status(api: Api, headers: dict[str, str]) -> int:
    return (await api.http.get("/api/v1/auth/me", headers=headers)).status_code


async def change_password(api: Api, headers: dict[str, str], current: str, new: str) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await api.http.post("/api/v1/auth/password", json=body, headers=headers)


# --- password


async def test_changed_password_ends_all_but_the_session_that_changed_it(api: Api, ada: dict[str, Any]) -> None:
    mine, other, client = await api.session(ADA), await api.session(ADA), await api.token(ADA)
    token = await bearer_of(api, mine)
    assert (await change_password(api, token, PHRASE, NEW)).status_code == 204
    assert await status(api, token) == 401, "a token that somebody may have copied is worthless"
    assert await status(api, await bearer_of(api, mine)) == 200
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=other)).status_code == 401
    refresh = {"refresh_token": client["refresh_token"]}
    assert (await api.http.post("/api/v1/auth/refresh", json=refresh)).status_code == 401
    await api.token(ADA, NEW)
    form = {"username": ADA, "password": PHRASE}
    assert (await api.http.post("/api/v1/auth/token", data=form)).status_code == 401


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [("wrong", NEW, "current_password"), (PHRASE, "password1", "new_password"), (PHRASE, "short", "new_password")],
)
async def test_password_change_that_is_refused(
    api: Api, ada: dict[str, Any], current: str, new: str, field: str
) -> None:
    response = await change_password(api, await api.bearer(ADA), current, new)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    await api.token(ADA, PHRASE)


async def test_guessing_the_password_in_a_stolen_session_is_slowed_down(api: Api, ada: dict[str, Any]) -> None:
    token = await api.bearer(ADA)
    answers = [(await change_password(api, token, "a wrong guess", NEW)).status_code for _ in range(PAIR.free + 1)]
    assert answers == [422] * PAIR.free + [429]


async def test_two_changes_at_once_do_not_both_count(api: Api, ada: dict[str, Any]) -> None:
    token = await api.bearer(ADA)
    both = await asyncio.gather(*(change_password(api, token, PHRASE, f"{NEW} {n}") for n in range(2)))
    # The slower one finds the token outdated, its old password gone, or the password changed meanwhile.
    assert sorted(answer.status_code == 204 for answer in both) == [False, True], [one.text for one in both]


# --- sessions


async def test_sessions_are_listed_and_ended_one_by_one(api: Api, ada: dict[str, Any]) -> None:
    mine = await api.session(ADA)
    headers = {"User-Agent": "probe\u00e9\u0007 " + "x" * 300}
    form = {"username": ADA, "password": PHRASE}
    raw = [(b"user-agent", headers["User-Agent"].encode("latin-1"))]
    client = (await api.http.post("/api/v1/auth/token", data=form, headers=raw)).json()
    token = await bearer_of(api, mine)
    listed = (await api.http.get("/api/v1/auth/sessions", headers=token)).json()
    assert listed["total"] == 2
    kinds = {one["kind"]: one for one in listed["items"]}
    assert (kinds["browser"]["current"], kinds["client"]["current"]) == (True, False)
    assert kinds["client"]["client"].startswith("probe")
    assert len(kinds["client"]["client"]) == 200
    path = f"/api/v1/auth/sessions/{kinds['client']['id']}"
    assert (await api.http.delete(path, headers=await api.bearer("viewer"))).status_code == 404, "somebody else's"
    assert (await api.http.delete(path, headers=token)).status_code == 204
    assert (await api.http.delete(path, headers=token)).status_code == 404
    assert await status(api, {"Authorization": f"Bearer {client['access_token']}"}) == 401
    refresh = {"refresh_token": client["refresh_token"]}
    assert (await api.http.post("/api/v1/auth/refresh", json=refresh)).status_code == 401
    assert await status(api, token) == 200


async def test_sessions_that_nobody_used_for_too_long_are_not_listed(
    api: Api, ada: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await bearer_of(api, await api.session(ADA))
    await api.token(ADA)

    async def listed(later: timedelta) -> set[str]:
        monkeypatch.setattr(api.app.state.own_sessions, "_clock", lambda: utc_now() + later)
        found = await api.http.get("/api/v1/auth/sessions", headers=token)
        return {one["kind"] for one in found.json()["items"]}

    assert await listed(timedelta()) == {"browser", "client"}
    assert await listed(SESSION_IDLE) == {"client"}
    assert await listed(REFRESH_IDLE) == set()


@pytest.mark.parametrize("session", ["s0", "t", "x1", "s1234567890123456789", "s1.5", "current1"])
async def test_session_that_cannot_be(api: Api, session: str) -> None:
    response = await api.http.delete(f"/api/v1/auth/sessions/{session}", headers=await api.bearer("viewer"))
    assert response.status_code == 422


async def test_signing_out_everywhere(api: Api, ada: dict[str, Any]) -> None:
    sessions, client = [await api.session(ADA) for _ in range(2)], await api.token(ADA)
    tokens = [await bearer_of(api, one) for one in sessions]
    assert (await api.http.delete("/api/v1/auth/sessions", headers=tokens[0])).status_code == 204
    assert [await status(api, token) for token in tokens] == [401, 401]
    assert await status(api, {"Authorization": f"Bearer {client['access_token']}"}) == 401
    for one in sessions:
        assert (await api.http.post("/api/v1/auth/sessions/token", headers=one)).status_code == 401
    await api.session(ADA)


async def test_administrator_looks_at_and_ends_the_sessions_of_others(api: Api, ada: dict[str, Any]) -> None:
    session, admin = await api.session(ADA), await api.bearer("admin")
    token = await bearer_of(api, session)
    path = f"/api/v1/users/{ada['id']}/sessions"
    assert [one["kind"] for one in (await api.http.get(path, headers=admin)).json()["items"]] == ["browser"]
    assert (await api.http.delete(path, headers=admin)).status_code == 204
    assert await status(api, token) == 401
    assert (await api.http.delete("/api/v1/users/999999/sessions", headers=admin)).status_code == 404


# --- API keys


async def create_key(api: Api, owner: str, **wanted: Any) -> dict[str, Any]:
    body = {"name": "press hall", "scopes": ["read"], **wanted}
    response = await api.http.post("/api/v1/auth/api-keys", json=body, headers=await api.bearer(owner))
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    created: dict[str, Any] = response.json()
    return created


async def exchange(api: Api, key: str) -> httpx.Response:
    return await api.http.post("/api/v1/auth/api-keys/token", headers={"Authorization": f"Bearer {key}"})


async def test_key_is_shown_once_and_exchanged_for_tokens(api: Api) -> None:
    created = await create_key(api, "user", scopes=["readings:write", "read", "read"], expires_in_days=7)
    key = created.pop("key")
    assert (len(key), key[:3], created["hint"]) == (KEY_LENGTH, KEY_PREFIX, key[:8])
    assert created["scopes"] == ["read", "readings:write"]
    token = (await exchange(api, key)).json()
    assert token["expires_in"] == 300
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert (claims["typ"], claims["role"], claims["scope"]) == ("key", "USER", "read readings:write")
    assert claims["sid"] == f"k{created['id']}"
    listed = (await api.http.get("/api/v1/auth/api-keys", headers=await api.bearer("user"))).json()["items"]
    assert [one["id"] for one in listed] == [created["id"]]
    assert listed[0]["last_used_at"] is not None
    assert "key" not in listed[0]
    for credential in (key, token["access_token"]):
        assert await status(api, {"Authorization": f"Bearer {credential}"}) == 401, "accounts are for their owners"


async def test_key_is_kept_as_a_digest(api: Api) -> None:
    key = (await create_key(api, "user"))["key"]
    async with api.app.state.engine.connect() as connection:
        for table in ("api_keys", "audit_log"):
            rows = (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()
            assert rows
            assert key not in str(rows)


async def test_revoked_key_is_worthless(api: Api) -> None:
    created, user = await create_key(api, "user"), await api.bearer("user")
    path = f"/api/v1/auth/api-keys/{created['id']}"
    assert (await api.http.delete(path, headers=await api.bearer("admin"))).status_code == 404, "somebody else's"
    assert (await api.http.delete(path, headers=user)).status_code == 204
    assert (await api.http.delete(path, headers=user)).status_code == 404
    assert (await exchange(api, created["key"])).status_code == 401
    assert (await api.http.get("/api/v1/auth/api-keys", headers=user)).json()["total"] == 0


async def test_key_expires(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await create_key(api, "user", expires_in_days=2))["key"]
    monkeypatch.setattr(api.app.state.keys, "_clock", lambda: utc_now() + timedelta(days=1))
    assert (await exchange(api, key)).status_code == 200
    monkeypatch.setattr(api.app.state.keys, "_clock", lambda: utc_now() + timedelta(days=3))
    assert (await exchange(api, key)).status_code == 401


async def test_key_of_a_deactivated_account_is_worthless_and_a_demoted_one_loses_what_it_lost(api: Api) -> None:
    ada = await api.register(ADA)
    admin = await api.bearer("admin")
    user = f"/api/v1/users/{ada['id']}"
    await api.http.patch(user, json={"role": "USER"}, headers=admin)
    key = (await create_key(api, ADA, scopes=["readings:write"]))["key"]
    await api.http.patch(user, json={"role": "VIEWER"}, headers=admin)
    token = (await exchange(api, key)).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["role"] == "VIEWER"
    await api.http.patch(user, json={"is_active": False}, headers=admin)
    assert (await exchange(api, key)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scopes": ["readings:write"]}, 403),
        ({"scopes": []}, 422),
        ({"scopes": ["write"]}, 422),
        ({"name": ""}, 422),
        ({"name": "n" * 101}, 422),
        ({"name": "\u0958" * 100}, 422),
        ({"expires_in_days": 0}, 422),
        ({"expires_in_days": 367}, 422),
        ({"user_id": 1}, 422),
    ],
)
async def test_key_that_is_refused(api: Api, body: dict[str, Any], status: int) -> None:
    wanted = {"name": "press hall", "scopes": ["read"], **body}
    response = await api.http.post("/api/v1/auth/api-keys", json=wanted, headers=await api.bearer("viewer"))
    assert response.status_code == status, response.text


async def test_number_of_keys_is_bounded_also_at_once(api: Api) -> None:
    viewer = await api.bearer("viewer")
    body = {"name": "k", "scopes": ["read"]}
    answers = await asyncio.gather(
        *(api.http.post("/api/v1/auth/api-keys", json=body, headers=viewer) for _ in range(MAX_KEYS + 3))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * MAX_KEYS + [409] * 3


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", f"Basic {KEY_PREFIX}{'x' * 43}", f"Bearer {KEY_PREFIX}x"])
async def test_what_is_no_key(api: Api, header: str) -> None:
    response = await api.http.post("/api/v1/auth/api-keys/token", headers={"Authorization": header})
    assert response.status_code == 401
    assert (await exchange(api, KEY_PREFIX + "x" * 43)).status_code == 401
