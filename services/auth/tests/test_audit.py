"""The audit of identity: complete, searchable, and written with the change itself."""

import time
from typing import Any

import pytest

from telltale_auth.audit.refusals import PERIOD

from .conftest import Api
from .test_accounts import audit, change

pytestmark = pytest.mark.anyio


async def test_audit_is_paged_newest_first(api: Api) -> None:
    for number in range(4):
        await api.register(f"a{number}@example.com")
    first = await audit(api, q="USER.CREATED", limit=4)
    assert [entry["target"] for entry in first["items"]] == [f"a{n}@example.com" for n in (3, 2, 1, 0)]
    assert first["total"] == 7
    assert (await audit(api, q="Müller % 風"))["items"] == []
    rest = await audit(api, q="user.created", limit=4, cursor=first["next_cursor"])
    assert len(rest["items"]) == 3
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"action": "user.role"}, ["user.role_changed"]),
        ({"outcome": "refused"}, ["session.refused"]),
        ({"target": "ada@", "action": "user."}, ["user.role_changed", "user.created"]),
        ({"actor": "ada@"}, []),
        ({"from": "2999-01-01T00:00:00Z"}, []),
        ({"to": "2000-01-01T00:00:00+02:00"}, []),
        ({"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-12:00", "q": "ROLE_"}, ["user.role_changed"]),
    ],
)
async def test_audit_is_searched_by_who_whom_what_and_when(
    api: Api, filters: dict[str, Any], expected: list[str]
) -> None:
    await api.register("ada@plant.local")
    await change(api, "ada@plant.local", {"role": "USER"})
    await api.http.post("/api/v1/auth/token", data={"username": "ada@plant.local", "password": "wrong"})
    found = (await audit(api, **filters))["items"]
    assert [one["action"] for one in found] == expected
    for entry in found:
        assert entry["target"] == "ada@plant.local"
        if entry["action"] == "user.role_changed":
            assert entry["detail"] == {"role": {"from": "VIEWER", "to": "USER"}}
            assert (entry["actor"], entry["outcome"], entry["address"]) == ("admin@example.com", "done", "127.0.0.1")


@pytest.mark.parametrize(
    "bad", [{"from": "yesterday"}, {"from": "2026-01-01T00:00:00"}, {"outcome": "x"}, {"who": "x"}]
)
async def test_audit_query_that_is_refused(api: Api, bad: dict[str, str]) -> None:
    answer = await api.http.get("/api/v1/audit", params=bad, headers=await api.bearer("admin"))
    assert answer.status_code == 422


async def test_what_was_refused_is_in_the_audit_once_a_minute(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = await api.bearer("viewer")
    for _ in range(3):
        assert (await api.http.patch("/api/v1/users/7", json={"role": "ADMIN"}, headers=viewer)).status_code == 403
    assert (await api.http.get("/api/v1/users", headers=viewer)).status_code == 403
    found = (await audit(api, action="access."))["items"]
    assert [one["detail"]["request"] for one in found] == ["GET /api/v1/users", "PATCH /api/v1/users/{id}"]
    assert {(one["actor"], one["outcome"], one["address"]) for one in found} == {
        ("viewer@example.com", "refused", "127.0.0.1")
    }
    assert found[0]["detail"]["reason"] == "this needs the role ADMIN; yours is VIEWER"
    later = time.monotonic() + PERIOD
    monkeypatch.setattr(api.app.state.refusals, "_clock", lambda: later)
    await api.http.patch("/api/v1/users/7", json={"role": "ADMIN"}, headers=viewer)
    assert (await audit(api, action="access."))["items"][0]["detail"]["more_since_the_last"] == 2


async def test_refused_change_of_the_last_administrator_is_in_the_audit(api: Api) -> None:
    admins = await api.http.get("/api/v1/users", params={"q": "admin@"}, headers=await api.bearer("admin"))
    path = f"/api/v1/users/{admins.json()['items'][0]['id']}"
    for wanted, action in (({"role": "USER"}, "user.role_changed"), ({"is_active": False}, "user.deactivated")):
        refused = await api.http.patch(path, json=wanted, headers=await api.bearer("admin"))
        assert refused.status_code == 409
        entry = (await audit(api, outcome="refused"))["items"][0]
        assert (entry["action"], entry["target"], entry["actor"]) == (action, "admin@example.com", "admin@example.com")
        assert [one["to"] for one in entry["detail"].values()] == list(wanted.values())
