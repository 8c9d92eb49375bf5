"""Accounts: what may be registered, who may change whom, and that an administrator always remains."""

import asyncio
import json
from typing import Any

import pytest

from telltale_auth.audit.repository import SYSTEM
from telltale_auth.demo import PASSWORD, settle_demo_accounts
from telltale_auth.settings import Settings
from telltale_shared.errors import Conflict
from telltale_shared.security import Role

from .conftest import PHRASE, Api

pytestmark = pytest.mark.anyio


async def users(api: Api, **params: Any) -> dict[str, Any]:
    response = await api.http.get("/api/v1/users", params=params, headers=await api.bearer("admin"))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def id_of(api: Api, email: str) -> str:
    return str((await users(api, q=email))["items"][0]["id"])


async def change(api: Api, email: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = await api.http.patch(
        f"/api/v1/users/{await id_of(api, email)}", json=body, headers=await api.bearer("admin")
    )
    return response.status_code, response.json()


async def audit(api: Api, **params: Any) -> dict[str, Any]:
    response = await api.http.get("/api/v1/audit", params=params, headers=await api.bearer("admin"))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody", "password": PASSWORD}, "email"),
        ({"email": "a@b@c", "password": PASSWORD}, "email"),
        ({"email": "a b@c", "password": PASSWORD}, "email"),
        ({"email": "a\u0000b@c", "password": PASSWORD}, "email"),
        ({"email": "\ud800@c", "password": PASSWORD}, "email"),
        ({"email": "a@" + "c" * 253, "password": PASSWORD}, "email"),
        ({"email": "a@b", "password": "short"}, "password"),
        ({"email": "a@b", "password": "x" * 201}, "password"),
        ({"email": "a@b", "password": "\ud800" * 9}, "password"),
        ({"email": "a@b", "password": None}, "password"),
        ({"email": "a@b", "password": PASSWORD, "name": "n" * 101}, "name"),
        ({"email": "a@b", "password": PASSWORD, "name": "\u0958" * 100}, "name"),  # twice as long when composed
        ({"email": "a@b", "password": PASSWORD, "name": "a\nb"}, "name"),
        ({"email": "a@b"}, "password"),
        ([], "body"),
    ],
)
async def test_registration_that_is_refused_names_the_field(api: Api, body: Any, field: str) -> None:

    response = await api.http.post(
        "/api/v1/auth/register", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert "short" not in response.text
    assert "x" * 200 not in response.text


async def test_address_has_one_account_however_it_is_spelled_and_registering_does_not_say_so(api: Api) -> None:
    bodies = [
        {"email": email, "password": f"{PHRASE} {number}", "name": ""}
        for number, email in enumerate(("Ada@plant.local", "ＡＤＡ@plant.local", " ada@PLANT.local "))
    ]
    answers = [await api.http.post("/api/v1/auth/register", json=body) for body in bodies]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1, "nobody learns here who has an account"
    assert (await users(api, q="ada@"))["total"] == 1
    await api.token("ada@plant.local", f"{PHRASE} 0")
    refused = (await audit(api, q="user.created"))["items"][0]
    assert (refused["outcome"], refused["target"]) == ("refused", "ada@plant.local")


async def test_same_registration_at_once_makes_one_account(api: Api) -> None:
    body = {"email": "ada@plant.local", "password": PHRASE}
    answers = await asyncio.gather(*(api.http.post("/api/v1/auth/register", json=body) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert (await users(api, q="ada@"))["total"] == 1


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "12345678",
        "Password123!",
        "qwertyuiop",
        "aaaaaaaaaaaaaaaaaaaa",
        "ada.lovelace",
        "abcabcabcabc",
        "x" * 199,
    ],
)
async def test_password_that_is_guessed_first_is_refused(api: Api, password: str) -> None:
    body = {"email": "ada.lovelace@plant.local", "password": password, "name": "Ada Lovelace"}
    answer = await api.http.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "password"
    assert error["message"]
    assert (await users(api, q="ada"))["total"] == 0


async def test_registration_can_be_switched_off_and_everybody_can_see_that(api: Api, settings: Settings) -> None:
    assert (await api.http.get("/api/v1/auth/registration")).json() == {"is_open": True}
    api.app.state.settings = settings.model_copy(update={"registration": False})
    answer = await api.http.post("/api/v1/auth/register", json={"email": "ada@plant.local", "password": PHRASE})
    assert answer.status_code == 403
    assert (await api.http.get("/api/v1/auth/registration")).json() == {"is_open": False}
    assert (await users(api, q="ada@"))["total"] == 0


async def test_changing_my_name(api: Api) -> None:
    me = await api.bearer("viewer")
    assert (await api.http.patch("/api/v1/auth/me", json={"name": " Vera "}, headers=me)).json()["name"] == "Vera"
    assert (await api.http.get("/api/v1/auth/me", headers=me)).json()["name"] == "Vera"
    for refused in ({"name": ""}, {"name": " "}, {"role": "ADMIN"}, {"name": "x", "role": "ADMIN"}):
        assert (await api.http.patch("/api/v1/auth/me", json=refused, headers=me)).status_code == 422
    (entry,) = (await audit(api, q="renamed"))["items"]
    assert entry["actor"] == "viewer@example.com"
    assert entry["detail"] == {"name": {"from": "Demo viewer", "to": "Vera"}}


@pytest.mark.parametrize("account", ["viewer", "user"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/users"), ("PATCH", "/users/1"), ("GET", "/audit")])
async def test_only_administrators(api: Api, account: str, method: str, path: str) -> None:
    response = await api.http.request(
        method, f"/api/v1{path}", json={"role": "ADMIN"}, headers=await api.bearer(account)
    )
    assert response.status_code == 403
    assert (await api.http.request(method, f"/api/v1{path}", json={"role": "ADMIN"})).status_code == 401


async def test_list_of_users_is_searched_and_paged(api: Api) -> None:
    for number in range(5):
        await api.register(f"u{number}%_@example.com", name=f"Person {number}")
    everyone = await users(api)
    assert everyone["total"] == 8
    assert everyone["total_is_exact"] is True
    assert everyone["next_cursor"] is None
    emails = [item["email"] for item in everyone["items"]]
    assert emails == sorted(emails)

    found, cursor = [], None
    for _ in range(3):
        page = await users(api, limit=3, **({"cursor": cursor} if cursor else {}))
        assert page["total"] == 8
        found += [item["email"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert found == emails

    assert (await users(api, q="PERSON 3"))["total"] == 1
    assert (await users(api, q="%_"))["total"] == 5
    assert (await users(api, q="Müller % 風"))["items"] == []


@pytest.mark.parametrize("path", ["/users", "/audit"])
@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1_001}, {"cursor": "%"}, {"cursor": "/w=="}, {"q": "x" * 201}]
)
async def test_list_parameters_that_are_refused(api: Api, path: str, params: dict[str, Any]) -> None:
    response = await api.http.get(f"/api/v1{path}", params=params, headers=await api.bearer("admin"))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(params))


async def test_changed_role_ends_all_that_was_issued_before(api: Api) -> None:
    tokens = await api.token("viewer")
    session = await api.session("viewer@example.com")
    old = {"Authorization": f"Bearer {tokens['access_token']}"}
    status, changed = await change(api, "viewer@example.com", {"role": "USER"})
    assert status == 200
    assert changed["role"] == "USER"
    assert (await api.http.get("/api/v1/auth/me", headers=old)).status_code == 401
    assert (await api.http.post("/api/v1/auth/stream-token", headers=old)).status_code == 401
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401
    body = {"refresh_token": tokens["refresh_token"]}
    assert (await api.http.post("/api/v1/auth/refresh", json=body)).status_code == 401
    me = await api.http.get("/api/v1/auth/me", headers=await api.bearer("viewer"))
    assert me.json()["role"] == "USER"
    (entry,) = (await audit(api, q="role_changed"))["items"]
    assert (entry["actor"], entry["target"]) == ("admin@example.com", "viewer@example.com")
    assert entry["detail"] == {"role": {"from": "VIEWER", "to": "USER"}}
    assert entry["request_id"]


async def test_deactivated_account_is_out_until_activated_again(api: Api) -> None:
    session = await api.session("user@example.com")
    assert (await change(api, "user@example.com", {"is_active": False}))[0] == 200
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401
    refused = await api.http.post("/api/v1/auth/token", data={"username": "user@example.com", "password": PASSWORD})
    assert refused.status_code == 401
    assert (await change(api, "user@example.com", {"is_active": True}))[0] == 200
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401
    await api.token("user")


async def test_change_that_changes_nothing_ends_nothing(api: Api) -> None:
    session = await api.session("user@example.com")
    assert (await change(api, "user@example.com", {"role": "USER", "is_active": True}))[0] == 200
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 200
    assert (await audit(api, q="role_changed"))["total"] == 0


@pytest.mark.parametrize("body", [{}, {"role": None}, {"role": "ROOT"}, {"email": "x@y"}, {"is_active": "perhaps"}])
async def test_change_of_user_that_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert (await change(api, "user@example.com", body))[0] == 422


@pytest.mark.parametrize(
    ("user_id", "status"), [("999999", 404), ("0", 422), ("x", 422), ("4294967296", 422), ("-1", 422)]
)
async def test_change_of_nobody(api: Api, user_id: str, status: int) -> None:
    response = await api.http.patch(
        f"/api/v1/users/{user_id}", json={"role": "USER"}, headers=await api.bearer("admin")
    )
    assert response.status_code == status


@pytest.mark.parametrize("body", [{"role": "USER"}, {"is_active": False}, {"role": "ADMIN", "is_active": False}])
async def test_last_administrator_stays(api: Api, body: dict[str, Any]) -> None:
    status, problem = await change(api, "admin@example.com", body)
    assert status == 409
    assert "last active administrator" in problem["detail"]
    assert (await change(api, "user@example.com", {"role": "ADMIN"}))[0] == 200
    assert (await change(api, "admin@example.com", body))[0] == 200


async def test_last_administrator_stays_when_all_are_changed_at_once(api: Api) -> None:
    accounts = api.app.state.accounts
    everyone = (await users(api))["items"]
    ids = [int(user["id"]) for user in everyone]
    for user_id in ids:
        await accounts.change(user_id, role=Role.ADMIN, is_active=None, origin=SYSTEM)
    for _ in range(3):
        changes = [
            accounts.change(
                user_id,
                role=Role.USER if number % 2 else None,
                is_active=None if number % 2 else False,
                origin=SYSTEM,
            )
            for number, user_id in enumerate(ids)
        ]
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert [isinstance(outcome, Conflict) for outcome in refused] == [True]
        for user_id in ids:
            await accounts.change(user_id, role=Role.ADMIN, is_active=True, origin=SYSTEM)


@pytest.mark.parametrize(
    ("trusted", "told", "address"),
    [
        ([], "203.0.113.9", "127.0.0.1"),
        (["10.0.0.0/8"], "203.0.113.9", "127.0.0.1"),
        (["127.0.0.1", "::1"], "203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8"], "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (["127.0.0.1"], "", "127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_says_where_a_request_came_from(
    api: Api, settings: Settings, trusted: list[str], told: str, address: str
) -> None:
    api.app.state.settings = Settings.model_validate({**settings.model_dump(), "trusted_proxies": trusted})
    body = {"email": "viewer@example.com", "password": PASSWORD}
    started = await api.http.post("/api/v1/auth/sessions", json=body, headers={"X-Forwarded-For": told})
    assert started.status_code == 201
    (entry,) = (await audit(api, action="session.started"))["items"]
    assert entry["address"] == address


async def test_demo_accounts_are_there_only_where_they_are_wanted(api: Api) -> None:
    accounts = api.app.state.accounts
    await api.register("real@example.com")
    admin = int(await id_of(api, "real@example.com"))
    await accounts.change(admin, role=Role.ADMIN, is_active=None, origin=SYSTEM)
    session = await api.session("user@example.com")

    await settle_demo_accounts(accounts, wanted=False)
    assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 401
    listed = await api.http.get("/api/v1/users", headers=await api.bearer("real@example.com", PHRASE))
    assert [user["email"] for user in listed.json()["items"]] == ["real@example.com"]

    await api.register("viewer@example.com", "somebody real lives here")
    for _ in range(2):
        await settle_demo_accounts(accounts, wanted=True)
    assert (await users(api))["total"] == 4
    await api.token("viewer", "somebody real lives here")


async def test_address_taken_is_a_conflict_for_the_service_too(api: Api) -> None:
    with pytest.raises(Conflict):
        await api.app.state.accounts.create(
            email="user@example.com", name="", password=PASSWORD, origin=SYSTEM, role=Role.ADMIN
        )
