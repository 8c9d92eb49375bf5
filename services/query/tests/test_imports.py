"""Imports from the upload to undo: what becomes of rows, and who may do what."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports import handlers
from telltale_query.imports.applying import Applying
from telltale_query.imports.outdated import forget_outdated
from telltale_query.jobs.run import JobRun
from telltale_query.jobs.runner import Runner
from telltale_shared.security import Role
from telltale_shared.store.schema import imports

from .conftest import Api, now
from .imported import HEADER, START, check_derived, imported, mistakes, records, row, rows, send, staged, undone, work

pytestmark = pytest.mark.anyio

FILE = HEADER + row(3, 1.5, unit="°C") + row(2, 2.5, unit="°C", note="a note") + row(1, 9, source="oven")


def counts(one: Any) -> dict[str, int]:
    """The row counts that are not 0."""
    return {name: count for name, count in one["rows"].items() if count}


async def edit(api: Api, index: int, **change: Any) -> None:
    """Change a record as a person does."""
    record = (await api.get("/records", {"sort": "observed_at"}))["items"][index]
    answer = await api.call("PATCH", f"/records/{record['id']}", json=change)
    assert answer.status_code == 200, answer.text


async def delete(api: Api, index: int) -> None:
    """Delete a record as a person does."""
    record = (await api.get("/records", {"sort": "observed_at"}))["items"][index]
    assert (await api.call("DELETE", f"/records/{record['id']}")).status_code == 204


async def values(api: Api) -> list[tuple[float, str | None, int | None]]:
    """Value, note and import of each record, by time."""
    items = (await api.get("/records", {"sort": "observed_at"}))["items"]
    return [(item["value"], item["note"], item["import_id"]) for item in items]


async def test_a_file_becomes_records(api: Api) -> None:
    one = await imported(api, FILE, name="C:\\data\\plant.csv")
    assert (one["state"], one["job"]["state"], one["job"]["problem"]) == ("applied", "done", None)
    assert (one["file_name"], one["file_bytes"]) == ("plant.csv", len(FILE.encode()))
    assert counts(one) == {"read": 3, "good": 3, "stored": 3}
    assert [(source, value, unit, note) for source, _, _, value, unit, note, _ in await records(api)] == [
        ("oven", 9.0, None, None),
        ("press", 1.5, "°C", None),
        ("press", 2.5, "°C", "a note"),
    ]
    assert {import_id for *_, import_id in await records(api)} == {one["id"]}
    assert await staged(api) == 0
    await check_derived(api)
    summary = await api.get("/analytics/summary")
    assert summary["count"] == 3


async def test_the_same_file_again_adds_nothing(api: Api) -> None:
    first = await imported(api, FILE)
    before = await records(api)
    for on_conflict in ("keep", "replace"):
        again = await imported(api, FILE, on_conflict=on_conflict)
        assert counts(again) == {"read": 3, "good": 3, "repeated": 3}
        assert await records(api) == before
        # Undoing what added nothing removes nothing.
        assert counts(await undone(api, again)) == {"read": 3, "good": 3, "repeated": 3}
        assert await records(api) == before
    assert first["sha256"] == again["sha256"]
    await check_derived(api)


async def test_one_bad_row_rejects_the_file_or_is_left_out(api: Api) -> None:
    content = HEADER + row(2, 1) + row(1, "warm")
    rejected = await imported(api, content)
    assert (rejected["state"], rejected["can_undo"], counts(rejected)) == ("rejected", False, {
        "read": 2, "good": 1, "bad": 1,
    })  # fmt: skip
    assert await records(api) == []
    assert await staged(api) == 0
    taken = await imported(api, content, on_error="skip")
    assert (taken["state"], counts(taken)) == ("applied", {"read": 2, "good": 1, "bad": 1, "stored": 1})
    assert [error["line"] for error in await mistakes(api, taken)] == [3]


async def test_a_dry_run_is_applied_later_or_forgotten(api: Api) -> None:
    checked = await imported(api, FILE, dry_run=True)
    assert (checked["state"], counts(checked)) == ("checked", {"read": 3, "good": 3})
    assert await records(api) == []
    forgotten = await imported(api, FILE, dry_run=True)
    assert (await api.call("POST", f"/imports/{checked['id']}/apply", role=Role.USER)).status_code == 202
    await work(api)
    applied = await api.get(f"/imports/{checked['id']}")
    assert (applied["state"], counts(applied)["stored"], applied["job"]["kind"]) == ("applied", 3, "import_apply")
    assert (await api.call("POST", f"/imports/{checked['id']}/apply")).status_code == 409
    assert (await api.call("DELETE", f"/imports/{forgotten['id']}", role=Role.USER)).json()["state"] == "cancelled"
    assert (await api.call("POST", f"/imports/{forgotten['id']}/apply")).status_code == 409
    assert await staged(api) > 0
    await forget_outdated(api.engine, hours=24, days=30, retention_days=365)
    assert await staged(api) == 0


async def test_no_etag_of_an_import_that_was_undone_fits_what_is_imported_after_it(api: Api) -> None:
    first = await imported(api, FILE)
    record = (await api.get("/records", {"sort": "observed_at"}))["items"][0]
    path = f"/records/{record['id']}"
    seen = {"If-Match": (await api.call("GET", path)).headers["etag"]}
    await undone(api, first)
    await imported(api, FILE)
    refused = await api.call("PATCH", path, json={"value": 1}, headers=seen)
    assert refused.status_code == 412
    now = {"If-Match": refused.headers["etag"]}
    assert (await api.call("PATCH", path, json={"value": 1}, headers=now)).status_code == 200
    assert (await api.call("DELETE", path, headers=now)).status_code == 412


async def test_another_value_is_kept_or_replaced(api: Api) -> None:
    first = await imported(api, FILE)
    other = HEADER + row(3, 7, unit="°C") + row(2, 2.5, unit="°C", note="another note") + row(0.5, 5, source="oven")
    kept = await imported(api, other)
    assert counts(kept) == {"read": 3, "good": 3, "stored": 1, "repeated": 1, "kept": 1}
    assert await values(api) == [
        (1.5, None, first["id"]), (2.5, "a note", first["id"]), (9.0, None, first["id"]), (5.0, None, kept["id"]),
    ]  # fmt: skip
    replaced = await imported(api, other, on_conflict="replace")
    assert counts(replaced) == {"read": 3, "good": 3, "repeated": 1, "replaced": 2}
    assert await values(api) == [
        (7.0, None, replaced["id"]), (2.5, "another note", replaced["id"]), (9.0, None, first["id"]),
        (5.0, None, kept["id"]),
    ]  # fmt: skip
    await check_derived(api)
    # Whoever read the record before cannot change it unseen.
    record = (await api.get("/records", {"sort": "observed_at"}))["items"][0]
    answer = await api.call("PATCH", f"/records/{record['id']}", json={"value": 1}, headers={"If-Match": '"0"'})
    assert answer.status_code == 412
    back = await undone(api, replaced)
    assert counts(back) == {"read": 3, "good": 3, "repeated": 1, "replaced": 2, "restored": 2}
    assert await values(api) == [
        (1.5, None, first["id"]), (2.5, "a note", first["id"]), (9.0, None, first["id"]), (5.0, None, kept["id"]),
    ]  # fmt: skip
    await check_derived(api)
    # The restored records count as untouched for the import that stored them.
    assert counts(await undone(api, first))["undone"] == 3
    assert [value for value, _, _ in await values(api)] == [5.0]
    await check_derived(api)


async def test_a_replacement_of_an_undone_import_is_removed(api: Api) -> None:
    first = await imported(api, HEADER + row(3, 1))
    second = await imported(api, HEADER + row(3, 2), on_conflict="replace")
    assert counts(await undone(api, first)) == {"read": 1, "good": 1, "stored": 1}
    assert await values(api) == [(2.0, None, second["id"])]
    assert counts(await undone(api, second))["restored"] == 1
    assert await values(api) == []
    await check_derived(api)


@pytest.mark.parametrize("state", ["cancelled", "failed"])
async def test_a_replacement_of_an_import_that_was_taken_back_is_removed(api: Api, state: str) -> None:
    first = await imported(api, HEADER + row(3, 1))
    second = await imported(api, HEADER + row(3, 2), on_conflict="replace")
    await api.run("UPDATE imports SET state = :state WHERE id = :id", {"state": state, "id": first["id"]})
    assert counts(await undone(api, second))["restored"] == 1
    assert await values(api) == []
    await check_derived(api)


async def test_undo_leaves_what_somebody_changed_since(api: Api) -> None:
    await imported(api, HEADER + row(9, 90))
    content = HEADER + "".join(row(10 - n, n) for n in range(9)) + row(0.5, 7, source="oven")
    one = await imported(api, content, on_conflict="replace")
    assert counts(one) == {"read": 10, "good": 10, "stored": 9, "replaced": 1}
    await edit(api, 3, value=333)
    await edit(api, 4, note="seen")
    await edit(api, 1, value=91)  # one that was replaced
    await delete(api, 6)
    other = await imported(api, HEADER + row(5, 5.5), on_conflict="replace")  # another import's now
    back = await undone(api, one)
    assert (back["state"], back["undone_by"], back["can_undo"]) == ("undone", "Demo user", False)
    assert back["undone_at"] is not None
    assert counts(back) == {"read": 10, "good": 10, "stored": 9, "replaced": 1, "undone": 5, "left": 3}
    assert await values(api) == [
        (91.0, None, one["id"]), (333.0, None, one["id"]), (4.0, "seen", one["id"]), (5.5, None, other["id"]),
    ]  # fmt: skip
    assert (await api.call("DELETE", f"/imports/{one['id']}")).status_code == 409
    await check_derived(api)


async def test_undo_takes_anomalies_along_and_leaves_other_records_alone(api: Api) -> None:
    series = await api.store([("press", "temp", START - timedelta(minutes=n), 1.0) for n in (10.5, 5.5, 0.5)])
    series_id = series["press", "temp"].id
    one = await imported(api, HEADER + row(8, 2) + row(2, 3))
    for minutes in (5.5, 2):
        await api.run(
            "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
            " expected_high, explanation, detected_at)"
            " VALUES (:id, :at, 'd', '1', 'spike', 1, 9, 0, 0, 'x', UTC_TIMESTAMP(6))",
            {"id": series_id, "at": START - timedelta(minutes=minutes)},
        )
    assert counts(await undone(api, one))["undone"] == 2
    assert [value for value, _, _ in await values(api)] == [1.0, 1.0, 1.0]
    assert len(await rows(api, "SELECT 1 FROM anomalies")) == 1
    await check_derived(api)


async def test_many_series_and_many_rows_are_undone_in_steps(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.imports.undoing.REMOVED_AT_ONCE", 7)
    monkeypatch.setattr("telltale_query.imports.undoing.SERIES_AT_ONCE", 3)
    monkeypatch.setattr("telltale_query.imports.undoing.RESTORED_AT_ONCE", 4)
    await imported(api, HEADER + "".join(row(60 - n, -n, source="s-0") for n in range(11)))
    before = await records(api)
    content = HEADER + "".join(row(60 - n, n, source=f"s-{n % 7}") for n in range(60))
    content += "".join(row(60 - n, n + 1, source="s-0") for n in range(1, 11) if n != 7)
    one = await imported(api, content, on_conflict="replace")
    await check_derived(api)
    back = await undone(api, one)
    assert back["rows"]["undone"] == back["rows"]["stored"] > 50
    assert back["rows"]["restored"] == back["rows"]["replaced"] == 10
    assert await records(api) == before
    await check_derived(api)


async def test_every_change_is_in_the_audit_trail(api: Api) -> None:
    one = await imported(api, FILE, name="plant.csv")
    await undone(api, one, role=Role.ADMIN)
    trail = (await api.get("/audit"))["items"][::-1]
    assert [(entry["action"], entry["outcome"], entry["actor"]) for entry in trail] == [
        ("import.apply", "begun", "Demo user"),
        ("import.apply", "done", "Demo user"),
        ("import.undo", "begun", "Demo admin"),
        ("import.undo", "done", "Demo admin"),
    ]
    assert {entry["target"] for entry in trail} == {f"import {one['id']} · plant.csv"}
    assert trail[1]["after"]["stored"] == 3
    assert trail[3]["after"]["undone"] == 3


async def test_an_import_is_undone_by_its_owner_or_an_administrator(api: Api) -> None:
    one = await imported(api, FILE)
    await api.run("UPDATE imports SET created_by = 'somebody else'")
    assert (await api.get(f"/imports/{one['id']}", role=Role.USER))["can_undo"] is False
    refused = await api.call("DELETE", f"/imports/{one['id']}", role=Role.USER)
    assert refused.status_code == 403
    assert "Demo user" in refused.json()["detail"]
    assert (await api.get(f"/imports/{one['id']}", role=Role.ADMIN))["can_undo"] is True
    assert (await undone(api, one, role=Role.ADMIN))["state"] == "undone"
    for path in ("/imports/999", "/imports/999/errors"):
        assert (await api.call("GET", path)).status_code == 404
    assert (await api.call("DELETE", "/imports/999")).status_code == 404
    assert (await api.call("POST", "/imports/999/apply")).status_code == 404


async def test_a_running_import_is_cancelled_and_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await imported(api, HEADER + row(3, 1))
    before = await records(api)
    waiting = (await send(api, FILE)).json()
    assert (await api.call("DELETE", f"/imports/{waiting['id']}", role=Role.USER)).status_code == 202
    await work(api)
    assert (await api.get(f"/imports/{waiting['id']}"))["state"] == "cancelled"
    # In the middle of storing: what is there already is taken back.
    monkeypatch.setattr("telltale_query.imports.checking.CHUNK_ROWS", 2)
    content = HEADER + "".join(row(30 - n, n, source=f"s-{n}") for n in range(20)) + row(3, 2)
    half = (await send(api, content, on_conflict="replace")).json()
    steps = 0

    async def cancel_after_some(self: Any, worked: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 5:
            assert (await api.call("POST", f"/jobs/{half['job']['id']}/cancel", role=Role.USER)).status_code == 202

    monkeypatch.setattr("telltale_query.jobs.pace.Pace.rest", cancel_after_some)
    await work(api)
    ended = await api.get(f"/imports/{half['id']}")
    assert (ended["state"], ended["job"]["state"], ended["can_undo"]) == ("cancelled", "cancelled", False)
    assert counts(ended)["stored"] == counts(ended)["undone"] >= 8
    assert await records(api) == before
    assert await staged(api) == 0
    await check_derived(api)


@pytest.mark.parametrize("end", ["of checking", "of applying"])
async def test_it_can_be_cancelled_until_it_ends(api: Api, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    one = (await send(api, FILE)).json()
    ends = iter(["of checking", "of applying"])
    hold = handlers._hold_if_wanted

    async def cancel_before(run: JobRun, connection: AsyncConnection) -> None:
        if next(ends) == end:
            assert (await api.call("DELETE", f"/imports/{one['id']}", role=Role.USER)).status_code == 202
        await hold(run, connection)

    monkeypatch.setattr(handlers, "_hold_if_wanted", cancel_before)
    await work(api)
    ended = await api.get(f"/imports/{one['id']}")
    assert (ended["state"], ended["job"]["state"]) == ("cancelled", "cancelled")
    assert await records(api) == []
    assert await staged(api) == 0
    await check_derived(api)


async def test_a_unit_that_is_taken_meanwhile_takes_everything_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.imports.checking.CHUNK_ROWS", 1)
    checked = await imported(api, HEADER + row(3, 1, source="a") + row(2, 1, source="b", unit="K"), dry_run=True)
    await api.store([("b", "temperature", now(minutes=9), 1.0)])
    await api.run("UPDATE series SET category = 'temp' WHERE source = 'b'")
    assert (await api.call("POST", f"/imports/{checked['id']}/apply")).status_code == 202
    await work(api)
    failed = await api.get(f"/imports/{checked['id']}")
    assert (failed["state"], failed["job"]["state"]) == ("failed", "failed")
    assert "b · temp were stored in '°C'" in failed["job"]["problem"]
    assert (failed["rows"]["stored"], failed["rows"]["undone"]) == (1, 1)
    assert len(await records(api)) == 1


async def test_what_keeps_failing_is_taken_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.imports.checking.CHUNK_ROWS", 1)
    step = Applying._step
    calls = 0

    async def fail_at_second(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ZeroDivisionError
        return await step(self, *arguments)

    monkeypatch.setattr(Applying, "_step", fail_at_second)
    one = await imported(api, FILE)
    assert (one["state"], one["rows"]["stored"], one["rows"]["undone"]) == ("failed", 1, 1)
    assert await records(api) == []
    jobs = (await api.get("/jobs"))["items"]
    assert [(job["kind"], job["state"]) for job in jobs] == [("import_undo", "done"), ("import", "failed")]


async def test_an_undo_that_fails_can_be_tried_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await imported(api, FILE)

    async def fail(_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr("telltale_query.imports.undoing.Undoing.run", fail)
        failed = await undone(api, one)
    assert (failed["state"], failed["job"]["state"], failed["can_undo"]) == ("applied", "failed", True)
    assert (await api.get("/audit"))["items"][0]["outcome"] == "failed"
    assert (await undone(api, one))["state"] == "undone"
    assert await records(api) == []


async def test_imports_are_listed_and_paged(api: Api) -> None:
    ids = [(await imported(api, HEADER + row(n + 1, n), dry_run=n % 2 == 0))["id"] for n in range(5)]
    assert [one["id"] for one in await api.pages("/imports", {}, limit=2)] == ids[::-1]
    assert [one["id"] for one in (await api.get("/imports", {"state": "checked"}))["items"]] == ids[::-2]
    assert (await api.call("GET", "/imports", params={"state": "no such"})).status_code == 422


async def test_the_template_can_be_imported(api: Api) -> None:
    answer = await api.call("GET", "/imports/template", role=Role.VIEWER)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert counts(await imported(api, answer.content)) == {"read": 2, "good": 2, "stored": 2}


async def test_records_of_another_time_than_the_retention_are_refused(api: Api) -> None:
    old = (now() - timedelta(days=364)).isoformat() + "Z"
    older = (now() - timedelta(days=366)).isoformat() + "Z"
    content = HEADER + f"a,b,{old},1,,\r\na,b,{older},1,,\r\n"
    one = await imported(api, content, on_error="skip")
    assert counts(one) == {"read": 2, "good": 1, "bad": 1, "stored": 1}
    # What retention has dropped is not brought back, or the rollups would no longer be what the records say.
    await api.run("INSERT INTO horizons VALUES ('records', :day)", {"day": now(days=200).date()})
    one = await imported(api, content, on_error="skip")
    assert counts(one) == {"read": 2, "bad": 2}
    assert "older records are not kept" in (await mistakes(api, one))[0]["reason"]


async def test_what_is_dropped_between_check_and_apply_does_not_come_back(api: Api) -> None:
    """The rollups still hold it: it would count twice."""
    old = (now() - timedelta(days=100)).isoformat() + "Z"
    checked = await imported(api, HEADER + row(3, 1) + f"zoo,temp,{old},1,,\r\n", dry_run=True)
    await api.run("INSERT INTO horizons VALUES ('records', :day)", {"day": now(days=50).date()})
    assert (await api.call("POST", f"/imports/{checked['id']}/apply")).status_code == 202
    await work(api)
    failed = await api.get(f"/imports/{checked['id']}")
    assert failed["state"] == "failed"
    assert "leave these out and import it again" in failed["job"]["problem"]
    assert await records(api) == []


async def test_a_job_of_an_import_that_is_gone_says_so(api: Api) -> None:
    answer = await send(api, FILE)
    async with api.engine.begin() as connection:
        await connection.execute(imports.delete())
    await Runner(api.engine, handlers.kinds(365)).work_once(heavy=True)
    job = await api.get(f"/jobs/{answer.json()['job']['id']}")
    assert (job["state"], job["problem"]) == ("failed", "This import is not there any more.")
