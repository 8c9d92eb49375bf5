"""Records over REST: made, read, changed and deleted by people, with everything that must follow."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, select, text

from telltale_query.records import by_value, service
from telltale_query.records.spans import Span, among
from telltale_shared.security import Role
from telltale_shared.store.schema import records, rollups_minute

from .conftest import Api, forged_cursor, now, rfc3339, token

pytestmark = pytest.mark.anyio

PRESS = {"source": "press-3", "category": "temperature", "unit": "°C", "value": 21.5}


async def create(api: Api, **changes: Any) -> dict[str, Any]:
    body = {**PRESS, "observed_at": rfc3339(now(minutes=5)), **changes}
    response = await api.call("POST", "/records", json=body, role=Role.USER)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def rollup_counts(api: Api) -> list[int]:
    async with api.engine.connect() as connection:
        return [
            int((await connection.execute(text(f"SELECT COALESCE(SUM(`count`), 0) FROM {name}"))).scalar_one())
            for name in ("rollups_minute", "rollups_hour", "rollups_day")
        ]


async def test_a_record_is_made_read_changed_and_deleted(api: Api) -> None:
    made = await create(api, note="by hand")
    assert made["note"] == "by hand"
    assert made["unit"] == "°C"
    assert made["anomaly"] is None
    assert made["import_id"] is None
    assert await rollup_counts(api) == [1, 1, 1]

    read = await api.call("GET", f"/records/{made['id']}", role=Role.VIEWER)
    assert read.json() == made
    assert read.headers["etag"] == '"0"'

    changed = await api.call(
        "PATCH", f"/records/{made['id']}", json={"value": 22.5}, headers={"If-Match": '"0"'}, role=Role.USER
    )
    assert changed.status_code == 200, changed.text
    assert changed.json() == {**made, "value": 22.5}
    assert changed.headers["etag"] == '"1"'
    assert (await api.get("/series"))["items"][0]["latest"]["value"] == 22.5

    cleared = await api.call("PATCH", f"/records/{made['id']}", json={"note": None}, headers={"If-Match": '"1"'})
    assert cleared.json()["note"] is None
    assert cleared.json()["value"] == 22.5

    gone = await api.call("DELETE", f"/records/{made['id']}", headers={"If-Match": '"2"'}, role=Role.USER)
    assert gone.status_code == 204
    assert gone.content == b""
    assert (await api.call("GET", f"/records/{made['id']}")).status_code == 410
    assert await rollup_counts(api) == [0, 0, 0]
    assert (await api.get("/series"))["items"][0]["latest"] is None

    trail = (await api.get("/audit"))["items"]
    assert [entry["action"] for entry in trail] == ["record.delete", "record.edit", "record.edit", "record.create"]
    assert trail[2]["before"] == {"value": 21.5, "note": "by hand"}
    assert trail[2]["after"] == {"value": 22.5, "note": "by hand"}
    assert trail[2]["detail"] == "value 21.5 → 22.5"
    assert trail[2]["actor"] == "Demo user"
    assert trail[2]["request_id"] == changed.headers["x-request-id"]


async def test_a_conflict_says_who_changed_the_record(api: Api) -> None:
    made = await create(api)
    path = f"/records/{made['id']}"
    await api.call("PATCH", path, json={"value": 1}, role=Role.USER)
    for method, body in (("PATCH", {"value": 2}), ("DELETE", None)):
        refused = await api.call(method, path, json=body, headers={"If-Match": '"0"'})
        assert refused.status_code == 412
        assert refused.json()["title"] == "Changed meanwhile"
        assert refused.json()["detail"].startswith("Demo user changed this record at 20")
        assert refused.headers["etag"] == '"1"'
    assert (await api.get(path))["value"] == 1


async def test_a_change_that_comes_too_late_stands_in_the_audit_trail(api: Api) -> None:
    made = await create(api)
    path = f"/records/{made['id']}"
    await api.call("PATCH", path, json={"value": 1}, role=Role.USER)
    await api.call("PATCH", path, json={"value": 2}, headers={"If-Match": '"0"'})
    await api.call("DELETE", path, headers={"If-Match": '"0"'})
    refused = (await api.get("/audit", {"outcome": "refused"}))["items"]
    assert [entry["action"] for entry in refused] == ["record.delete", "record.edit"]
    assert {entry["actor"] for entry in refused} == {"Demo admin"}
    assert all(entry["target"].startswith("press-3 · temperature · 20") for entry in refused)


async def test_a_deleted_record_says_who_was_the_last_to_change_it(api: Api) -> None:
    made = await create(api)
    path = f"/records/{made['id']}"
    await api.call("DELETE", path, role=Role.USER)
    for method, body, headers in (
        ("GET", None, {}),
        ("PATCH", {"value": 2}, {}),
        ("PATCH", {"value": 2}, {"If-Match": '"0"'}),
        ("DELETE", None, {"If-Match": '"0"'}),
        ("DELETE", None, {}),
    ):
        gone = await api.call(method, path, json=body, headers=headers)
        assert gone.status_code == 410, (method, headers)
        assert gone.json()["title"] == "Gone"
        assert gone.json()["detail"].startswith("it has been deleted: Demo user was the last to change it, at 20")
    never = await api.call("PATCH", "/records/1-2", json={"value": 2}, headers={"If-Match": '"0"'})
    assert never.status_code == 404


async def test_what_retention_has_dropped_was_deleted_by_nobody(api: Api) -> None:
    made = await create(api)
    path = f"/records/{made['id']}"
    await api.call("PATCH", path, json={"value": 1})
    await api.run("DELETE FROM records")
    await api.run("INSERT INTO horizons (table_name, rows_from) VALUES ('records', :at)", {"at": now(minutes=1)})
    assert (await api.call("GET", path)).status_code == 404


async def test_what_retention_has_dropped_does_not_come_back_by_hand(api: Api) -> None:
    await api.run("INSERT INTO horizons (table_name, rows_from) VALUES ('records', :at)", {"at": now(minutes=1)})
    body = {**PRESS, "observed_at": rfc3339(now(minutes=5))}
    refused = await api.call("POST", "/records", json=body, role=Role.USER)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["observed_at"]
    assert await rollup_counts(api) == [0, 0, 0]


async def test_an_answer_that_nobody_takes_holds_no_connection(api: Api) -> None:
    await create(api)
    held: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        held.append(api.engine.pool.checkedout())  # type: ignore[attr-defined]  # of the pool class in use

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v1/records", "raw_path": b"/api/v1/records", "query_string": b"", "root_path": "",
        "headers": [(b"authorization", f"Bearer {token(Role.VIEWER)}".encode())],
        "server": ("query", 80), "client": ("127.0.0.1", 1), "state": {},
    }  # fmt: skip
    await api.app(scope, receive, send)
    assert held == [0, 0]


async def test_an_unchanged_record_is_not_sent_again(api: Api) -> None:
    made = await create(api)
    path = f"/records/{made['id']}"
    for known in ('"0"', 'W/"0"', '"7", "0"', "*"):
        same = await api.call("GET", path, headers={"If-None-Match": known})
        assert same.status_code == 304, known
        assert same.content == b""
        assert same.headers["etag"] == '"0"'
    await api.call("PATCH", path, json={"note": "x"})
    changed = await api.call("GET", path, headers={"If-None-Match": '"0"'})
    assert changed.status_code == 200
    assert changed.json()["note"] == "x"


async def test_an_old_etag_does_not_fit_a_successor(api: Api) -> None:
    at = rfc3339(now(minutes=1))
    made = await create(api, observed_at=at)
    await api.call("DELETE", f"/records/{made['id']}")
    again = await create(api, observed_at=at)
    assert again["id"] == made["id"]
    refused = await api.call("DELETE", f"/records/{made['id']}", headers={"If-Match": '"0"'})
    assert refused.status_code == 412


async def test_the_latest_reading_follows_deletes(api: Api) -> None:
    await create(api, observed_at=rfc3339(now(minutes=3)), value=3)
    newest = await create(api, observed_at=rfc3339(now(minutes=1)), value=1)
    await create(api, observed_at=rfc3339(now(minutes=2)), value=2)
    assert (await api.get("/series"))["items"][0]["latest"]["value"] == 1
    await api.call("DELETE", f"/records/{newest['id']}")
    assert (await api.get("/series"))["items"][0]["latest"]["value"] == 2


async def test_one_instant_holds_one_record(api: Api) -> None:
    at = rfc3339(now(minutes=5))
    await create(api, observed_at=at)
    again = await api.call("POST", "/records", json={**PRESS, "observed_at": at, "value": 3})
    assert again.status_code == 409
    assert await rollup_counts(api) == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "x" * 101}, "source"),
        ({"source": "line\nbreak"}, "source"),
        ({"source": 5}, "source"),
        ({"category": " padded "}, "category"),
        ({"category": None}, "category"),
        ({"unit": "x" * 33}, "unit"),
        ({"value": "21.5"}, "value"),
        ({"value": True}, "value"),
        ({"value": None}, "value"),
        ({"value": 1e301}, "value"),
        ({"note": "x" * 501}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"observed_at": "2026-11-23T08:00:00"}, "observed_at"),
        ({"observed_at": "yesterday"}, "observed_at"),
        ({"observed_at": 1_732_348_800}, "observed_at"),
        ({"observed_at": "9999-01-01T00:00:00Z"}, "observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "observed_at"),
        ({"observed_at": "1970-06-01T00:00:00Z"}, "observed_at"),
        ({"valu": 1}, "valu"),
    ],
)
async def test_bad_input_names_its_field(api: Api, change: dict[str, Any], field: str) -> None:
    body = {**PRESS, "observed_at": rfc3339(now(minutes=5)), **change}
    refused = await api.call("POST", "/records", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert (await api.get("/series"))["total"] == 0


async def test_values_that_are_no_json_numbers_are_refused(api: Api) -> None:
    made = await create(api)
    for text_ in ("NaN", "Infinity", "1e999"):
        response = await api.http.patch(
            f"/api/v1/records/{made['id']}",
            content=f'{{"value": {text_}}}',
            headers={"Authorization": f"Bearer {token(Role.ADMIN)}", "Content-Type": "application/json"},
        )
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "value"


async def test_a_long_body_is_refused_unread(api: Api) -> None:
    body = {**PRESS, "observed_at": rfc3339(now(minutes=5)), "note": "x" * 70_000}
    refused = await api.call("POST", "/records", json=body)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"


async def test_another_unit_is_refused_with_the_right_one(api: Api) -> None:
    await create(api)
    body = {**PRESS, "unit": "K", "observed_at": rfc3339(now(minutes=4))}
    refused = await api.call("POST", "/records", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "unit", "message": "must be '°C', as of all records of this series"}]
    assert (await create(api, unit=None, observed_at=rfc3339(now(minutes=4))))["unit"] == "°C"


async def test_a_change_must_change_something(api: Api) -> None:
    made = await create(api)
    for body, field in (({}, "body"), ({"value": None}, "value"), ({"observed_at": rfc3339(now())}, "observed_at")):
        refused = await api.call("PATCH", f"/records/{made['id']}", json=body)
        assert refused.status_code == 422, refused.text
        assert [error["field"] for error in refused.json()["errors"]] == [field]
    bad = await api.call("PATCH", f"/records/{made['id']}", json={"value": 1}, headers={"If-Match": "five"})
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["field"] == "If-Match"


async def test_ids_that_cannot_be_are_not_found(api: Api) -> None:
    for record_id in ("1-2", "nonsense", "1", "-", "9" * 30 + "-1", "1-" + "9" * 18, "%00", "٣-٣"):
        assert (await api.call("GET", f"/records/{record_id}")).status_code == 404
        assert (await api.call("DELETE", f"/records/{record_id}")).status_code == 404


async def test_viewers_read_and_users_change(api: Api) -> None:
    made = await create(api)
    assert (await api.call("GET", "/records", role=Role.VIEWER)).status_code == 200
    body = {**PRESS, "observed_at": rfc3339(now(minutes=1))}
    for method, path in (
        ("POST", "/records"),
        ("PATCH", f"/records/{made['id']}"),
        ("DELETE", f"/records/{made['id']}"),
    ):
        assert (await api.call(method, path, json=body, role=Role.VIEWER)).status_code == 403
    for path in ("/logs", "/audit"):
        assert (await api.call("GET", path, role=Role.USER)).status_code == 403
    assert (await api.http.get("/api/v1/records")).status_code == 401


async def test_an_unknown_filter_is_an_error(api: Api) -> None:
    refused = await api.call("GET", "/records", params={"form": "2026-11-23T00:00:00Z"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "form"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "2026-11-23T08:00:00"}, "from"),
        ({"to": "0001-01-01T00:00:00+14:00"}, "to"),
        ({"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T08:00:00Z"}, "to"),
        ({"limit": 1001}, "limit"),
        ({"limit": 0}, "limit"),
        ({"sort": "note"}, "sort"),
        ({"min_value": "nan"}, "min_value"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "WyJ2YWx1ZSJd"}, "cursor"),
        ({"cursor": forged_cursor(False, ["-observed_at", 10**30, "2026-11-23T08:00:00", 1.0])}, "cursor"),
        ({"anomalous": "perhaps"}, "anomalous"),
    ],
)
async def test_bad_filters_name_their_field(api: Api, params: dict[str, Any], field: str) -> None:
    refused = await api.call("GET", "/records", params=params)
    assert refused.status_code == 422, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_a_cursor_belongs_to_its_sort(api: Api) -> None:
    for minute in range(3):
        await create(api, observed_at=rfc3339(now(minutes=minute)))
    page = await api.get("/records", {"limit": 1})
    refused = await api.call("GET", "/records", params={"sort": "value", "cursor": page["next_cursor"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
@pytest.mark.parametrize("sort", ["observed_at", "-observed_at", "value", "-value", "source", "-category"])
async def test_a_forged_cursor_leads_nowhere(api: Api, sort: str, at: str) -> None:
    await create(api)
    cursor = forged_cursor(False, [sort, 4_294_967_295, at, 0.0])
    refused = await api.call("GET", "/records", params={"sort": sort, "source": PRESS["source"], "cursor": cursor})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "cursor"


async def test_paging_survives_inserts_and_deletes(api: Api) -> None:
    start = now(hours=1)
    await api.store(("a", "x", start + timedelta(seconds=n), float(n)) for n in range(10))
    first = await api.get("/records", {"limit": 4})
    await api.store([("a", "x", start + timedelta(seconds=20), 20.0)])
    await api.call("DELETE", f"/records/{first['items'][3]['id']}")
    second = await api.get("/records", {"limit": 4, "cursor": first["next_cursor"]})
    assert [item["value"] for item in first["items"] + second["items"]] == [9, 8, 7, 6, 5, 4, 3, 2]
    back = await api.get("/records", {"limit": 4, "cursor": second["previous_cursor"]})
    assert [item["value"] for item in back["items"]] == [20, 9, 8, 7]
    assert back["previous_cursor"] is None


async def test_a_page_far_down_a_list_by_value_may_be_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_value, "READ_AT_ONCE", 10)
    await api.store(("a", "x", now(hours=2) + timedelta(seconds=n / 10), float(n % 100)) for n in range(3_000))
    params = {"sort": "-value", "limit": 100}
    first = await api.get("/records", params)
    monkeypatch.setattr(service, "SORTED_ON_A_PAGE", 100)
    refused = await api.call("GET", "/records", params={**params, "cursor": first["next_cursor"]})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["sort"]
    assert "choose a shorter range" in refused.json()["detail"]


@pytest.mark.parametrize(("table", "column"), [(records, "observed_at"), (rollups_minute, "bucket")])
async def test_spans_are_read_by_their_part_of_the_clustered_key(api: Api, table: Table, column: str) -> None:
    start = now(hours=20)
    await api.store(
        (f"s{n}", "x", start + timedelta(minutes=minute), 1.0) for n in range(20) for minute in range(0, 600, 7)
    )
    ids = [one["id"] for one in (await api.get("/series"))["items"]]
    minute = timedelta(minutes=1)
    same = [Span(one, start, start + minute, 1) for one in ids]
    apart = [Span(one, start + n * minute, start + (n + 1) * minute, 1) for n, one in enumerate(ids)]
    async with api.engine.connect() as connection:
        for spans in (same, apart, same[:1]):
            statement = among(spans, table, column)(select(table.c.series_id))
            compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            plan = (await connection.execute(text(f"EXPLAIN {compiled}"))).mappings().one()
            assert (plan["type"], plan["key"]) == ("range", "PRIMARY"), plan
            assert int(plan["rows"]) <= 10 * len(spans)
