"""Sensitivity: set, tried on stored readings, taught by verdicts, and told to the detectors."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest

from telltale_shared.broker import BrokerAddress, Link, StreamEvent, follow
from telltale_shared.contracts import AnomalyDetected, Sensitivities, decode
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store.events import store_anomalies
from telltale_shared.testing import Access
from telltale_shared.topology import LIVE_STREAM, topology

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio

SERIES = {"source": "press-3", "category": "temperature"}
START = now(hours=1)


async def store(api: Api, *, spikes: dict[int, float]) -> None:
    """2,000 readings, one a second, with spikes so many standard deviations high."""
    value = np.random.default_rng(1).normal(20, 1, 2_000)
    for at, height in spikes.items():
        value[at] += height
    await api.store(
        ("press-3", "temperature", START + timedelta(seconds=n), one) for n, one in enumerate(value.tolist())
    )


async def mark(api: Api, kind: str, number: int) -> str:
    """Store one anomaly; returns its id."""
    at = microseconds(START + timedelta(seconds=number))
    found = AnomalyDetected(
        **SERIES, unit="°C", observed_at=at, value=30.0, score=9.0, expected_low=18, expected_high=22, kind=kind,
        detector="telltale", version="3", explanation="far above", detected_at=at,
    )  # fmt: skip
    async with api.engine.begin() as connection:
        await store_anomalies(connection, [found], now=microseconds(now()))
    page = await api.get("/anomalies", {"kind": kind, "limit": 1_000})
    stamp = rfc3339(START + timedelta(seconds=number))[:19]
    return next(str(one["id"]) for one in page["items"] if one["observed_at"][:19] == stamp)


async def trial(api: Api, **chosen: object) -> dict[str, object]:
    body = {**SERIES, "from": rfc3339(START), "to": rfc3339(START + timedelta(hours=1)), **chosen}
    response = await api.call("POST", "/anomalies/try", json=body, role=Role.VIEWER)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


async def test_a_level_or_a_number_is_set_and_audited(api: Api) -> None:
    await store(api, spikes={})
    before = await api.get("/sensitivity", SERIES)
    assert (before["level"], before["threshold"], before["set_by"]) == ("normal", 6, None)
    assert {one["limit"] for one in before["kinds"]} == {6}
    low = await api.call("PUT", "/sensitivity", json={**SERIES, "level": "low"}, role=Role.USER)
    assert low.status_code == 200, low.text
    assert (low.json()["level"], low.json()["threshold"], low.json()["set_by"]) == ("low", 9, "Demo user")
    number = await api.call("PUT", "/sensitivity", json={**SERIES, "threshold": 7.5})
    assert (number.json()["level"], number.json()["threshold"]) == (None, 7.5)
    trail = (await api.get("/audit", {"action": "sensitivity.set"}))["items"]
    assert len(trail) == 2


async def test_what_may_not_be_set(api: Api) -> None:
    await store(api, spikes={})
    for wrong in ({}, {"level": "x"}, {"threshold": 0}, {"threshold": 1e9}, {"level": "low", "threshold": 7}):
        assert (await api.call("PUT", "/sensitivity", json={**SERIES, **wrong})).status_code == 422, wrong
    nobody = {"source": "nobody", "category": "temperature"}
    assert (await api.call("PUT", "/sensitivity", json={**nobody, "level": "low"})).status_code == 404
    assert (await api.call("GET", "/sensitivity", params=nobody)).status_code == 404
    assert (await api.call("PUT", "/sensitivity", json={**SERIES, "level": "low"}, role=Role.VIEWER)).status_code == 403


async def test_trying_marks_what_would_have_been_marked_and_changes_nothing(api: Api) -> None:
    await store(api, spikes={700: 7.0, 1_500: 40.0})
    normal = await trial(api, level="normal")
    assert normal["readings"] == 2_000
    assert normal["is_whole"] is True
    marked = normal["anomalies"]
    assert isinstance(marked, list)
    at = [rfc3339(START + timedelta(seconds=n))[:19] for n in (700, 1_500)]
    assert [one["observed_at"][:19] for one in marked] == at
    assert all("expected" in one["explanation"] or "everything seen" in one["explanation"] for one in marked)
    strict = await trial(api, threshold=20.5)
    assert isinstance(strict["anomalies"], list)
    assert [one["observed_at"][:19] for one in strict["anomalies"]] == at[1:]
    assert (await api.get("/anomalies"))["total"] == 0
    assert (await api.get("/sensitivity", SERIES))["set_by"] is None


async def test_a_range_without_readings_marks_nothing(api: Api) -> None:
    await store(api, spikes={})
    before = {"from": rfc3339(START - timedelta(days=1)), "to": rfc3339(START)}
    answer = await trial(api, level="high", **before)
    assert (answer["readings"], answer["read_from"], answer["anomalies"]) == (0, None, [])


async def test_a_dismissed_kind_must_be_more_unusual_until_that_is_taken_back(api: Api) -> None:
    await store(api, spikes={})
    first, second = [await mark(api, "spike", n) for n in (100, 200)]
    shift = await mark(api, "level_shift", 300)

    async def limits() -> dict[str, float]:
        return {one["kind"]: one["limit"] for one in (await api.get("/sensitivity", SERIES))["kinds"]}

    for one in (first, second):
        await api.call("PATCH", f"/anomalies/{one}", json={"verdict": "dismissed"})
    assert (await limits())["spike"] == pytest.approx(6 * 1.25**2)
    assert (await limits())["level_shift"] == 6
    await api.call("PATCH", f"/anomalies/{shift}", json={"verdict": "confirmed"})
    assert (await limits())["level_shift"] == 6
    await api.call("PATCH", f"/anomalies/{second}", json={"verdict": None})
    assert (await limits())["spike"] == pytest.approx(6 * 1.25)
    forgotten = await api.call("PUT", "/sensitivity", json={**SERIES, "level": "normal", "forget_verdicts": True})
    assert forgotten.json()["verdicts_from"] is not None
    assert set((await limits()).values()) == {6}


async def test_the_detectors_are_told_at_once(api: Api, own_broker: Access) -> None:
    await store(api, spikes={})
    told: asyncio.Queue[Sensitivities] = asyncio.Queue()

    async def take(event: StreamEvent) -> None:
        message = decode(event.body)
        if isinstance(message, Sensitivities):
            told.put_nowait(message)

    link = Link(BrokerAddress(own_broker.url, own_broker.password), topology(), name="test sensitivities")
    following = asyncio.create_task(follow(link, LIVE_STREAM, take, start="next"))
    try:
        await asyncio.sleep(1.0)
        await api.call("PUT", "/sensitivity", json={**SERIES, "threshold": 12.5})
        async with asyncio.timeout(60):
            while not (newest := await told.get()).series:
                pass
        (one,) = newest.series
        assert (one.source, one.category) == ("press-3", "temperature")
        assert set(one.limits.values()) == {12.5}
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
