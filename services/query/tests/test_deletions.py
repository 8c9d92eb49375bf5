"""Deleting by filter: previewed, confirmed by count, done by a job that may be broken off, beside a busy writer."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from telltale_query.deletions import service
from telltale_query.deletions.schemas import KIND
from telltale_query.jobs.runner import Runner
from telltale_query.paging import Total
from telltale_query.records import walk
from telltale_shared.database import in_transaction
from telltale_shared.security import Role
from telltale_shared.store.removals import remove_records
from telltale_shared.testing_rollups import compare

from .conftest import Api, now, rfc3339, token

pytestmark = pytest.mark.anyio

START = now(hours=30).replace(minute=0)


async def store(api: Api, rows: int = 400) -> None:
    """Two series, half a minute between two readings: the first rising, the second switching between 0 and 1."""
    await api.store(("a", "x", START + timedelta(seconds=30 * n), float(n)) for n in range(rows))
    await api.store(("b", "x", START + timedelta(seconds=30 * n), float(n % 2)) for n in range(rows))


async def values(api: Api, source: str) -> list[float]:
    return [one["value"] for one in await api.pages("/records", {"source": source, "sort": "observed_at"}, limit=1_000)]


async def order(api: Api, chosen: dict[str, Any]) -> dict[str, Any]:
    preview = await api.call("POST", "/records/deletions/preview", json=chosen)
    assert preview.status_code == 200, preview.text
    found = preview.json()
    assert found["count_is_exact"]
    ordered = await api.call(
        "POST", "/records/deletions", json={"filter": found["filter"], "expected_count": found["count"]}
    )
    assert ordered.status_code == 202, ordered.text
    job: dict[str, Any] = ordered.json()
    assert (job["kind"], job["state"]) == (KIND, "queued")
    return job


async def work(api: Api) -> None:
    assert await Runner(api.engine, service.kinds()).work_once(heavy=True)


async def delete(api: Api, chosen: dict[str, Any]) -> dict[str, Any]:
    job = await order(api, chosen)
    await work(api)
    done: dict[str, Any] = await api.get(f"/jobs/{job['id']}")
    return done


async def rollups_are_right(api: Api) -> None:
    async with api.engine.connect() as connection:
        await compare(connection)


async def test_what_the_filter_chooses_goes_and_nothing_else(api: Api) -> None:
    await store(api)
    done = await delete(api, {"source": ["a"], "min_value": 100, "max_value": 299})
    assert (done["state"], done["result"], done["rows_done"]) == ("done", {"deleted": 200}, 200)
    assert await values(api, "a") == [float(n) for n in range(400) if not 100 <= n <= 299]
    assert await values(api, "b") == [float(n % 2) for n in range(400)]
    await rollups_are_right(api)


async def test_a_range_goes_whole_and_the_latest_reading_follows(api: Api) -> None:
    await store(api)
    await delete(api, {"from": rfc3339(START + timedelta(seconds=30 * 50, microseconds=1))})
    assert await values(api, "a") == [float(n) for n in range(51)]
    assert [one["latest"]["value"] for one in (await api.get("/series"))["items"]] == [50, 0]
    await rollups_are_right(api)
    await delete(api, {"source": ["b"]})
    assert (await api.get("/series"))["items"][1]["latest"] is None
    await rollups_are_right(api)


@pytest.mark.parametrize("anomalous", [True, False])
async def test_only_what_detectors_hold_to_be_unusual(api: Api, anomalous: bool) -> None:
    await store(api, 50)
    ids = [one["id"] for one in (await api.get("/series"))["items"]]
    judged = [
        {"id": ids[0], "at": START + timedelta(seconds=30 * n), "verdict": v} for n, v in ((3, None), (5, "dismissed"))
    ]
    await api.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at, verdict)"
        " VALUES (:id, :at, 'robust', '1', 'spike', 1, 5, 0, 1, '', :at, :verdict)",
        judged,
    )
    done = await delete(api, {"source": ["a"], "anomalous": anomalous})
    assert done["result"] == {"deleted": 1 if anomalous else 49}
    assert await values(api, "a") == ([float(n) for n in range(50) if n != 3] if anomalous else [3.0])
    left = (await api.get("/anomalies"))["items"]
    assert [one["verdict"] for one in left] == (["dismissed"] if anomalous else [None])
    await rollups_are_right(api)


async def test_the_audit_trail_has_one_row_that_says_all(api: Api) -> None:
    await store(api, 20)
    job = await order(api, {"source": ["a"], "category": ["x"], "max_value": 9})
    (begun,) = (await api.get("/audit"))["items"]
    assert (begun["action"], begun["outcome"], begun["after"]) == ("record.delete_many", "begun", {"deleted": 0})
    assert begun["before"]["expected"] == 10
    assert begun["before"]["source"] == "a"
    assert begun["before"]["max_value"] == 9
    assert begun["target"].startswith("records · to 20")
    assert begun["target"].endswith(" · source a · category x · max_value 9.0")
    await work(api)
    assert (await api.get(f"/jobs/{job['id']}"))["state"] == "done"
    (ended,) = (await api.get("/audit", {"action": "record.delete_many"}))["items"]
    assert ended == {**begun, "outcome": "done", "after": {"deleted": 10}, "detail": ended["detail"]}


async def test_no_old_etag_fits_a_successor_and_gone_is_gone(api: Api) -> None:
    await store(api, 2)
    (last,) = (await api.get("/records", {"source": "a", "limit": 1}))["items"]
    await delete(api, {"source": ["a"]})
    gone = await api.call("GET", f"/records/{last['id']}")
    assert gone.status_code == 410
    assert "Demo admin was the last to change it" in gone.json()["detail"]
    again = {name: last[name] for name in ("source", "category", "observed_at", "value")}
    assert (await api.call("POST", "/records", json=again)).status_code == 201
    refused = await api.call("PATCH", f"/records/{last['id']}", json={"value": 2}, headers={"If-Match": '"0"'})
    assert refused.status_code == 412


async def test_another_count_than_expected_deletes_nothing(api: Api) -> None:
    await store(api, 10)
    refused = await api.call("POST", "/records/deletions", json={"filter": {"source": ["a"]}, "expected_count": 9})
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("these are 10 records by now and not 9")
    assert (await api.get("/jobs"))["total"] == 0
    assert (await api.get("/audit"))["total"] == 0


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({}, "body"),
        ({"source": []}, "body"),
        ({"sorce": ["a"]}, "sorce"),
        ({"from": "2026-11-23T08:00:00"}, "from"),
        ({"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T07:00:00Z"}, "to"),
    ],
)
async def test_bad_filters_are_refused(api: Api, chosen: dict[str, Any], field: str) -> None:
    refused = await api.call("POST", "/records/deletions/preview", json=chosen)
    assert refused.status_code == 422, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_a_job_names_no_total_that_nobody_knows(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(api, 40)

    async def at_least(*_: Any, **__: Any) -> Total:
        return Total(3, exact=False)

    monkeypatch.setattr(service, "count_cheaply", at_least)
    ordered = await api.call(
        "POST", "/records/deletions", json={"filter": {"max_value": 5.5, "source": ["a"]}, "expected_count": 3}
    )
    await work(api)
    job = await api.get(f"/jobs/{ordered.json()['id']}")
    assert (job["state"], job["rows_done"], job["rows_total"]) == ("done", 6, None)


async def test_what_comes_after_the_order_stays(api: Api) -> None:
    await store(api, 40)
    ordered = await api.call("POST", "/records/deletions", json={"filter": {"source": ["a"]}, "expected_count": 40})
    assert ordered.status_code == 202, ordered.text
    await api.store([("a", "x", now(minutes=-1), 7.0)])
    await work(api)
    assert await values(api, "a") == [7.0]
    await rollups_are_right(api)


async def test_half_a_character_is_refused(api: Api) -> None:
    """JSON may name one, and no database can be asked for it."""
    refused = await api.http.post(
        "/api/v1/records/deletions/preview", content=b'{"source": ["\\ud800"]}',
        headers={"Authorization": f"Bearer {token(Role.ADMIN)}", "Content-Type": "application/json"},
    )  # fmt: skip
    assert refused.status_code == 422, refused.text


async def test_only_administrators_may(api: Api) -> None:
    for path in ("/records/deletions", "/records/deletions/preview"):
        assert (await api.call("POST", path, json={}, role=Role.USER)).status_code == 403


async def test_a_cancelled_deletion_says_how_far_it_came(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "RECORDS_AT_ONCE", 10)
    await store(api)
    job = await order(api, {"source": ["a"]})
    begun = asyncio.Event()

    async def tell(*arguments: Any, **named: Any) -> None:
        begun.set()
        await remove_records(*arguments, **named)

    monkeypatch.setattr(service, "remove_records", tell)
    working = asyncio.create_task(work(api))
    await begun.wait()
    assert (await api.call("POST", f"/jobs/{job['id']}/cancel")).status_code == 202
    await working
    assert (await api.get(f"/jobs/{job['id']}"))["state"] == "cancelled"
    (entry,) = (await api.get("/audit"))["items"]
    assert entry["outcome"] == "cancelled"
    left = await values(api, "a")
    assert 0 < len(left) < 400
    assert entry["after"] == {"deleted": 400 - len(left)}
    await rollups_are_right(api)


async def test_a_deletion_goes_on_after_a_crash(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "RECORDS_AT_ONCE", 10)
    await store(api)
    job = await order(api, {"source": ["a"]})
    steps = 0

    async def crash(*arguments: Any, **named: Any) -> None:
        nonlocal steps
        steps += 1
        await remove_records(*arguments, **named)
        if steps == 4:
            raise OSError("the connection is lost before COMMIT")

    monkeypatch.setattr(service, "remove_records", crash)
    monkeypatch.setattr(service, "in_transaction", partial(in_transaction, attempts=1))
    await work(api)
    assert (await api.get(f"/jobs/{job['id']}"))["state"] == "queued"
    await api.run("UPDATE jobs SET lease_until = NULL")
    await work(api)
    done = await api.get(f"/jobs/{job['id']}")
    assert (done["state"], done["result"]) == ("done", {"deleted": 400})
    assert await values(api, "a") == []
    await rollups_are_right(api)


async def test_a_writer_goes_on_beside_a_deletion(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "RECORDS_AT_ONCE", 20)
    await store(api, 600)
    stop = asyncio.Event()

    async def write() -> int:
        rows = 0
        while not stop.is_set():
            base = START + timedelta(seconds=30 * (rows % 600), microseconds=1 + rows)
            await api.store(("a", "x", base + timedelta(seconds=n), 1_000.0) for n in range(5))
            rows += 5
        return rows

    writing = asyncio.create_task(write())
    try:
        done = await delete(api, {"source": ["a"], "max_value": 999})
    finally:
        stop.set()
        written = await writing
    assert (done["state"], done["result"]) == ("done", {"deleted": 600})
    assert await values(api, "a") == [1_000.0] * written
    await rollups_are_right(api)


async def test_records_past_the_horizon_are_left_to_retention(api: Api) -> None:
    await store(api, 40)
    horizon = START + timedelta(seconds=30 * 10)
    await api.run("INSERT INTO horizons (table_name, rows_from) VALUES ('records', :at)", {"at": horizon})
    assert (await api.get("/records", {"source": "a"}))["total"] == 30
    done = await delete(api, {"source": ["a"]})
    assert done["result"] == {"deleted": 30}
    async with api.engine.connect() as connection:
        kept = (
            await connection.execute(text("SELECT COUNT(*) FROM records WHERE observed_at < :at"), {"at": horizon})
        ).scalar()
    assert kept == 20
