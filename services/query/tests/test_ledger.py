"""The ledger as it is read: over all time, over days, and which numbers exactly are missing."""

from functools import partial
from typing import Any

import pytest

from telltale_query.ledger.schemas import LedgerFigures
from telltale_query.system.service import one_line
from telltale_shared.contracts import ProducerState
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store.ledger import Numbers, Standing, open_accounts, report_producers, settle
from telltale_shared.store.ledger_upkeep import fold_days

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio


async def store(api: Api, *runs: tuple[int, int, int], producer: str = "gen-1", ago: float = 0, dead: int = 0) -> None:
    """Settle deliveries (first, last, confirmed) so many days ago; ``dead`` of their numbers as dead letters."""
    at = microseconds(now(days=ago))

    async def work(connection: Any) -> None:
        deliveries = [Numbers(producer, "generator", *run) for run in runs]
        accounts = await open_accounts(connection, deliveries, now=at)
        for one in deliveries:
            assert accounts[producer].claim(one) is Standing.NEW
            accounts[producer].stored += one.last - one.first + 1
        if runs:
            accounts[producer].stored -= dead
            accounts[producer].dead += dead
        await settle(connection, accounts.values(), now=at)

    await in_transaction(api.engine, work)


async def report(api: Api, state: ProducerState, *, ago: float = 0) -> None:
    at = microseconds(now(days=ago))
    await in_transaction(api.engine, partial(report_producers, states=[("generator", state)], now=at))


async def test_every_number_is_accounted_for(api: Api) -> None:
    # Settled: 1 to 10 and 13 to 16; confirmed before something settled: up to 12; so 11 and 12 are missing.
    await store(api, (1, 10, 0), (13, 16, 14), dead=2)
    await report(api, ProducerState(producer="gen-1", published=18, confirmed=15, dropped=2))
    await report(api, ProducerState(producer="gen-0", published=5, confirmed=5), ago=1 / 24)
    found = await api.get("/ledger", role=Role.VIEWER)
    gen_0, gen_1 = found["producers"]
    assert gen_1.pop("last_seen_at")
    assert gen_1 == {
        "producer": "gen-1", "service": "generator", "closed": False, "published": 18, "confirmed": 15, "stored": 12,
        "repeated": 0, "dead": 2, "missing": 2, "dropped": 2, "in_flight": 2, "redelivered": 0,
    }  # fmt: skip
    assert (gen_0["published"], gen_0["in_flight"], gen_0["missing"]) == (5, 5, 0)
    assert found["totals"] == {
        "published": 23, "confirmed": 20, "stored": 12, "repeated": 0, "dead": 2, "missing": 2, "dropped": 2,
        "in_flight": 7, "redelivered": 0,
    }  # fmt: skip
    assert "2 readings are missing" in (await api.get("/status"))["reasons"]
    assert one_line(LedgerFigures(**found["totals"])).startswith("23 published, 2 missing, 0 repeated")


async def test_producers_keep_their_order_while_they_report(api: Api) -> None:
    async def told() -> list[str]:
        return [one["producer"] for one in (await api.get("/ledger"))["producers"]]

    for number in (1, 2, 3):
        await report(api, ProducerState(producer=f"gen-{number}", published=1, confirmed=1, closed=number == 3), ago=1)
    assert await told() == ["gen-2", "gen-1", "gen-3"], "the newest first, behind them those that have ended"
    await report(api, ProducerState(producer="gen-1", published=2, confirmed=1))
    assert await told() == ["gen-2", "gen-1", "gen-3"]


async def test_days_add_up_to_the_whole(api: Api) -> None:
    for ago in (9, 5, 1, 0):
        done = (9 - ago) * 10
        await store(api, (done + 1, done + 10, 0), producer=f"gen-{ago % 2}", ago=ago, dead=1)
    await report(api, ProducerState(producer="gen-0", published=300, confirmed=200))
    whole = await api.get("/ledger")
    assert (whole["from_day"], whole["to_day"]) == (None, None)
    days = (await api.get("/ledger/days"))["days"]
    assert [day["day"] for day in days] == [f"{now(days=ago):%Y-%m-%d}" for ago in (0, 1, 5, 9)]
    for name, total in whole["totals"].items():
        assert sum(day[name] for day in days) == total, name
    of_one = (await api.get("/ledger/days", {"producer": "gen-1"}))["days"]
    assert [(day["day"], day["stored"], day["dead"]) for day in of_one] == [
        (f"{now(days=ago):%Y-%m-%d}", 9, 1) for ago in (1, 5, 9)
    ]
    some = {"from": rfc3339(now(days=5)), "to": rfc3339(now(days=1))}
    part = await api.get("/ledger", some)
    assert (part["from_day"], part["to_day"]) == (f"{now(days=5):%Y-%m-%d}", f"{now(days=1, seconds=1):%Y-%m-%d}")
    inside = [day for day in days if part["from_day"] <= day["day"] <= part["to_day"]]
    assert part["totals"]["stored"] == sum(day["stored"] for day in inside) > 0
    assert [one["producer"] for one in part["producers"]] == ["gen-1"]
    assert (await api.get("/ledger/days", {"producer": "nobody"}))["days"] == []


async def test_what_is_older_than_the_days_that_are_kept_has_no_day(api: Api) -> None:
    await store(api, (1, 10, 0), ago=9)
    await store(api, (11, 20, 0))
    await in_transaction(api.engine, partial(fold_days, before=now(days=3).date()))
    days = (await api.get("/ledger/days"))["days"]
    assert [(day["day"], day["stored"]) for day in days] == [(f"{now():%Y-%m-%d}", 10), (None, 10)]


async def test_missing_numbers_are_listed_exactly_and_paged_both_ways(api: Api) -> None:
    expected: list[dict[str, Any]] = []
    for producer in ("gen-1", "gen-2", "gen-3"):
        await store(api, *((10 * n + 1, 10 * n + 7, 10 * n) for n in range(40)), producer=producer)
        expected += [
            {"producer": producer, "first": 10 * n + 8, "last": 10 * n + 10, "count": 3} for n in range(39)
        ]  # fmt: skip
    # Delivered out of order: what lies behind 400 may still be on its way.
    await store(api, (420, 430, 405), producer="gen-2")
    expected.insert(78, {"producer": "gen-2", "first": 398, "last": 405, "count": 8})
    assert await api.pages("/ledger/missing", {}, limit=25) == expected
    page = await api.get("/ledger/missing", {"limit": 1_000})
    assert (page["total"], page["total_is_exact"]) == (118, True)
    some = await api.get("/ledger/missing", {"limit": 7, "producer": "gen-2"})
    rest = await api.get("/ledger/missing", {"limit": 50, "producer": "gen-2", "cursor": some["next_cursor"]})
    assert some["items"] + rest["items"] == [one for one in expected if one["producer"] == "gen-2"]
    back = await api.pages_back("/ledger/missing", {"limit": 10, "producer": "gen-2"}, rest["previous_cursor"])
    assert back == some["items"]
    assert (await api.get("/ledger"))["totals"]["missing"] == sum(one["count"] for one in expected)
    assert (await api.get("/ledger/missing", {"producer": "nobody"}))["items"] == []
