"""Dead letters: listed and searched, replayed so that the ledger stays exact whatever happens, set aside."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.dead_letters import service
from telltale_query.dead_letters.schemas import DISCARD, REPLAY
from telltale_query.jobs.runner import Runner
from telltale_shared.contracts import ReadingBatch, SeriesKey, encode
from telltale_shared.database import in_transaction
from telltale_shared.instants import instant, microseconds
from telltale_shared.security import Role
from telltale_shared.store import rollups
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.store.ledger import DAY_FIGURES, Numbers, Standing, open_accounts, settle
from telltale_shared.store.replays import replay_letters
from telltale_shared.testing_rollups import compare
from telltale_shared.validation import DAY

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio

AT = microseconds(now(hours=2))


def reading(source: str = "press-3", *, value: float = 1.5, at: int = AT, unit: str | None = "bar") -> bytes:
    """The payload of a letter about one reading, as the writer keeps it."""
    fields = {"source": source, "category": "pressure", "unit": unit, "observed_at": at, "value": value}
    return json.dumps(fields, ensure_ascii=False).encode()


def delivery(first: int, values: list[float], *, producer: str = "gen-1") -> ReadingBatch:
    return ReadingBatch(
        producer=producer, service="generator", first=first, confirmed=0, published_at=AT,
        series=[SeriesKey("press-3", "pressure", "bar"), SeriesKey("press-4", "pressure", "bar")],
        index=[n % 2 for n in range(len(values))], observed_at=[AT + first + n for n in range(len(values))],
        value=values,
    )  # fmt: skip


async def bury_settled(api: Api, *letters: DeadLetter) -> list[int]:
    """Store letters as the writer does: their numbers are dead in the ledger. Returns their ids."""

    async def work(connection: AsyncConnection) -> None:
        runs = [
            Numbers(one.producer, "generator", one.number, one.number + one.count - 1, 0)
            for one in letters
            if one.producer is not None and one.number is not None
        ]
        accounts = await open_accounts(connection, runs, now=AT)
        for run in runs:
            if accounts[run.producer].claim(run) is Standing.NEW:
                accounts[run.producer].dead += run.last - run.first + 1
        await settle(connection, accounts.values(), now=AT)
        await bury(connection, letters, now=AT)

    await in_transaction(api.engine, work)
    async with api.engine.connect() as connection:
        return list((await connection.execute(text("SELECT id FROM dead_letters ORDER BY id"))).scalars())


async def work(api: Api) -> None:
    """Do what was ordered last."""
    runner = Runner(api.engine, service.kinds(retention_days=365))
    assert await runner.work_once(heavy=False)


async def order(api: Api, what: str, **choice: Any) -> dict[str, Any]:
    """Order a job, do it, and return it."""
    ordered = await api.call("POST", f"/dead-letters/{what}", json=choice)
    assert ordered.status_code == 202, ordered.text
    await work(api)
    job: dict[str, Any] = await api.get(f"/jobs/{ordered.json()['id']}")
    assert job["state"] == "done", job
    return job


async def figures(api: Api) -> tuple[int, int, int]:
    """Stored, repeated and dead of all producers; their days must say the same."""
    totals = (await api.get("/ledger"))["totals"]
    days = (await api.get("/ledger/days"))["days"]
    assert all(sum(day[name] for day in days) == totals[name] for name in DAY_FIGURES)
    settled = totals["stored"] + totals["repeated"] + totals["dead"]
    assert totals["published"] == settled + totals["missing"] + totals["in_flight"]
    async with api.engine.connect() as connection:
        await compare(connection)
    return totals["stored"], totals["repeated"], totals["dead"]


async def values(api: Api) -> list[float]:
    return [one["value"] for one in await api.pages("/records", {"sort": "observed_at"}, limit=1_000)]


async def test_they_are_for_administrators_and_told_whole_one_by_one(api: Api) -> None:
    long = b"\xff\xfe" + b"x" * 70_000
    first, _, _ = await bury_settled(
        api,
        DeadLetter("conflict", "another value is stored", reading(), "gen-1", 1),
        DeadLetter("malformed", "not JSON", long),
        DeadLetter("conflict", "another value is stored", b"{}", "gen-2", 5, count=3),
    )
    for method, path in (("GET", ""), ("GET", f"/{first}"), ("POST", "/replay"), ("POST", "/discard")):
        body = {"ids": [str(first)]} if method == "POST" else None
        refused = await api.call(method, f"/dead-letters{path}", role=Role.USER, json=body)
        assert refused.status_code == 403
    items = await api.pages("/dead-letters", {}, limit=2)
    assert [item["reason"] for item in items] == ["conflict", "malformed", "conflict"]
    assert (items[0]["number"], items[0]["count"]) == (5, 3)
    assert (len(items[1]["payload"]), items[1]["payload_bytes"]) == (2_000, 65_536)
    assert items[1]["payload"].startswith("��xxx")
    whole = await api.get(f"/dead-letters/{items[1]['id']}")
    assert len(whole["payload"]) == 65_536
    assert (await api.call("GET", "/dead-letters/999999999")).status_code == 404


async def test_they_are_searched(api: Api) -> None:
    await bury_settled(
        api,
        DeadLetter("conflict", "another value is stored", reading("press-3"), "gen-1", 1),
        DeadLetter("unit_conflict", "this series is in bar", reading("press-30", unit="Ω"), "gen-1", 2),
        DeadLetter("delivery_limit", "given up", encode(delivery(3, [1.0, 2.0])), "gen-1", 3, count=2),
        DeadLetter("malformed", "not JSON: 100%", b"\xff nothing", None),
    )

    async def found(**wanted: Any) -> list[str]:
        return [one["reason"] for one in (await api.get("/dead-letters", wanted))["items"]]

    assert await found(source="press-3") == ["delivery_limit", "conflict"]
    assert await found(source="press-30") == ["unit_conflict"]
    assert await found(q="Ω") == ["unit_conflict"]
    assert await found(q="IN BAR") == ["unit_conflict"]
    assert await found(q="100%") == ["malformed"]
    assert await found(q="NOTHING") == ["malformed"]
    assert await found(q="0%0") == []
    assert await found(reason=["conflict", "malformed"], producer="gen-1") == ["conflict"]
    assert await found(**{"from": rfc3339(now(hours=1))}) == []
    assert len(await found(resolution="open")) == 4
    assert await found(resolution="replayed") == []
    assert (await api.call("GET", "/dead-letters", params={"resolution": "odd"})).status_code == 422


async def test_a_replayed_number_moves_from_dead_to_stored_once(api: Api) -> None:
    (letter,) = await bury_settled(api, DeadLetter("in_the_future", "too early", reading(), "gen-1", 1))
    assert await figures(api) == (0, 0, 1)
    job = await order(api, "replay", ids=[str(letter)])
    assert job["kind"] == REPLAY
    assert {name: job["result"][name] for name in ("done", "stored", "repeated")} == {
        "done": 1, "stored": 1, "repeated": 0,
    }  # fmt: skip
    assert await figures(api) == (1, 0, 0)
    assert await values(api) == [1.5]
    told = await api.get(f"/dead-letters/{letter}")
    assert (told["resolution"], told["resolved_by"]) == ("replayed", "Demo admin")
    (entry,) = (await api.get("/audit", {"action": "dead_letter.replay"}))["items"]
    assert (entry["outcome"], entry["actor"], entry["target"]) == ("done", "Demo admin", f"dead letters · {letter}")
    for _ in range(2):
        job = await order(api, "replay", ids=[str(letter)])
        assert job["result"]["done"] == 0
    assert await figures(api) == (1, 0, 0)
    assert await values(api) == [1.5]


async def test_what_still_cannot_be_stored_stays_dead_and_says_why(api: Api) -> None:
    await api.store([("press-3", "pressure", instant(AT), 7.0)])
    old = microseconds(now(days=400))
    ids = await bury_settled(
        api,
        DeadLetter("conflict", "x", reading(value=8.0), "gen-1", 1),
        DeadLetter("unit_conflict", "x", reading(unit="psi"), "gen-1", 2),
        DeadLetter("too_old", "x", reading(at=old), "gen-1", 3),
        DeadLetter("malformed", "x", b"{", "gen-1", 4, count=3),
        DeadLetter("overlap", "x", encode(delivery(1, [1.0])), "gen-1", 1),
        DeadLetter("malformed", "x", encode(delivery(9, [1.0] * 4_000)), "gen-1", 9, count=4_000),
        DeadLetter("unexpected", "an event", b"{}", count=0),
        DeadLetter("delivery_limit", "x", encode(delivery(1, [1.0])), None),
        DeadLetter("conflict", "x", reading(value=7.0), "gen-1", 5_001),
    )
    before = await figures(api)
    job = await order(api, "replay", filter={}, expected_count=len(ids))
    refused = {name.removeprefix("refused "): n for name, n in job["result"].items() if name.startswith("refused ")}
    assert refused == {
        "conflict": 1, "unit_conflict": 1, "too_old": 1, "malformed": 3, "overlap": 1, "cut_off": 4_000,
        "no_reading": 1, "unknown_numbers": 1,
    }  # fmt: skip
    assert (job["result"]["done"], job["result"]["repeated"]) == (1, 1)
    stored, repeated, dead = before
    assert await figures(api) == (stored, repeated + 1, dead - 1)
    assert (await api.get("/dead-letters", {"resolution": "open"}))["total"] == len(ids) - 1
    assert await values(api) == [7.0]


async def test_of_a_whole_delivery_only_what_is_still_refused_stays(api: Api) -> None:
    body = encode(delivery(11, [1.0, 2.0, 1e200, 4.0]))
    (letter,) = await bury_settled(api, DeadLetter("delivery_limit", "x", body, "gen-1", 11, count=4))
    assert (await figures(api))[2] == 4
    job = await order(api, "replay", ids=[str(letter)])
    assert (job["result"]["stored"], job["result"]["refused out_of_range"]) == (3, 1)
    assert await figures(api) == (3, 0, 1)
    assert sorted(await values(api)) == [1.0, 2.0, 4.0]
    (left,) = (await api.get("/dead-letters", {"resolution": "open"}))["items"]
    assert (left["reason"], left["producer"], left["number"], left["count"]) == ("out_of_range", "gen-1", 13, 1)
    assert json.loads(left["payload"])["value"] == 1e200


async def test_a_delivery_that_is_not_what_its_headers_said_is_left_alone(api: Api) -> None:
    body = encode(delivery(11, [1.0, 2.0], producer="gen-9"))
    (letter,) = await bury_settled(api, DeadLetter("delivery_limit", "x", body, "gen-1", 11, count=2))
    job = await order(api, "replay", ids=[str(letter)])
    assert job["result"]["refused unknown_numbers"] == 2
    assert await figures(api) == (0, 0, 2)


async def test_replays_at_the_same_time_store_once(api: Api) -> None:
    ids = await bury_settled(
        api, *(DeadLetter("too_old", "x", reading(at=AT + n, value=float(n)), f"gen-{n % 3}", n + 1) for n in range(60))
    )

    async def replay() -> int:
        work = partial(replay_letters, ids=ids, by="x", now=microseconds(now()), retention=365 * DAY)
        return (await in_transaction(api.engine, work, attempts=20)).stored

    assert sum(await asyncio.gather(*(replay() for _ in range(4)))) == 60
    assert await figures(api) == (60, 0, 0)
    assert await values(api) == [float(n) for n in range(60)]


async def test_a_job_that_dies_anywhere_is_gone_on_with(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 7)
    letters = [DeadLetter("too_old", "x", reading(at=AT + n, value=float(n)), "gen-1", n + 1) for n in range(50)]
    await bury_settled(api, *letters, DeadLetter("malformed", "x", b"{", "gen-1", 51))
    ordered = (await api.call("POST", "/dead-letters/replay", json={"filter": {}, "expected_count": 51})).json()
    steps = 0
    whole = rollups.add

    async def dying(*arguments: Any) -> None:
        nonlocal steps
        steps += 1
        await whole(*arguments)
        if steps in (2, 3, 6):
            raise ConnectionError("the database went away")

    monkeypatch.setattr(rollups, "add", dying)
    for _ in range(4):
        await Runner(api.engine, service.kinds(365)).work_once(heavy=False)
        await api.run("UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) WHERE state = 'queued'")
    job = await api.get(f"/jobs/{ordered['id']}")
    assert (job["state"], job["result"]["stored"], job["result"]["refused malformed"]) == ("done", 50, 1)
    assert await figures(api) == (50, 0, 1)
    assert await values(api) == [float(n) for n in range(50)]


async def test_what_arrives_after_the_order_is_not_chosen(api: Api) -> None:
    await bury_settled(api, DeadLetter("too_old", "x", reading(), "gen-1", 1))
    differs = await api.call("POST", "/dead-letters/replay", json={"filter": {}, "expected_count": 2})
    assert differs.status_code == 409
    ordered = await api.call("POST", "/dead-letters/replay", json={"filter": {}, "expected_count": 1})
    assert ordered.status_code == 202
    await bury_settled(api, DeadLetter("too_old", "x", reading(at=AT + 1), "gen-1", 2))
    await work(api)
    assert await figures(api) == (1, 0, 1)


async def test_discarded_ones_stay_dead_and_are_not_replayed(api: Api) -> None:
    ids = await bury_settled(api, *(DeadLetter("too_old", "x", reading(at=AT + n), "gen-1", n + 1) for n in range(3)))
    job = await order(api, "discard", ids=[str(ids[0]), str(ids[1])])
    assert (job["kind"], job["result"]["done"]) == (DISCARD, 2)
    assert [one["id"] for one in (await api.get("/dead-letters", {"resolution": "discarded"}))["items"]] == [
        str(ids[1]), str(ids[0]),
    ]  # fmt: skip
    await order(api, "replay", ids=[str(one) for one in ids])
    assert await figures(api) == (1, 0, 2)
    assert {e["action"] for e in (await api.get("/audit"))["items"]} == {"dead_letter.discard", "dead_letter.replay"}


@pytest.mark.parametrize(
    "choice", [{}, {"ids": []}, {"ids": ["x"]}, {"ids": ["1"], "filter": {}}, {"filter": {}}, {"filter": {"odd": 1}}]
)
async def test_a_choice_names_ids_or_a_counted_filter(api: Api, choice: dict[str, Any]) -> None:
    assert (await api.call("POST", "/dead-letters/replay", json=choice)).status_code == 422


async def test_readings_behind_the_horizon_stay_dead(api: Api) -> None:
    await api.run("INSERT INTO horizons VALUES ('records', :at)", {"at": now(hours=1)})
    (letter,) = await bury_settled(api, DeadLetter("in_the_future", "x", reading(), "gen-1", 1))
    job = await order(api, "replay", ids=[str(letter)])
    assert job["result"]["refused too_old"] == 1
    assert await values(api) == []
