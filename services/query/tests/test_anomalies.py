"""Anomalies and dead letters over REST, and analytics where they must refuse or round."""

from datetime import timedelta
from typing import Any

import pytest

from telltale_shared.contracts import AnomalyDetected
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store.events import store_anomalies

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio


async def detect(api: Api, *, count: int = 3, start: Any = None) -> None:
    """Store ``count`` readings of one series, a minute apart, each of them unusual."""
    start = start or now(hours=1)
    await api.store(("press-3", "temperature", start + timedelta(minutes=n), 50.0 + n) for n in range(count))
    found = [
        AnomalyDetected(
            source="press-3", category="temperature", unit="°C", observed_at=microseconds(start + timedelta(minutes=n)),
            value=50.0 + n, score=5.0 + n % 4, expected_low=20, expected_high=25, kind="spike", detector="robust",
            version="1", explanation="far above", detected_at=microseconds(now()),
        )
        for n in range(count)
    ]  # fmt: skip
    async with api.engine.begin() as connection:
        await store_anomalies(connection, found, now=microseconds(now()))


async def test_anomalies_are_listed_and_judged(api: Api) -> None:
    await detect(api)
    items = (await api.get("/anomalies", role=Role.VIEWER))["items"]
    assert [item["value"] for item in items] == [52, 51, 50]
    newest = items[0]
    assert newest["unit"] == "°C"
    assert newest["verdict"] is None

    path = f"/anomalies/{newest['id']}"
    judged = await api.call("PATCH", path, json={"verdict": "dismissed"}, role=Role.USER)
    assert judged.status_code == 200, judged.text
    assert judged.json()["verdict_by"] == "Demo user"
    assert (await api.get("/anomalies", {"verdict": "dismissed"}))["total"] == 1
    assert (await api.get("/anomalies", {"verdict": "none"}))["total"] == 2
    assert (await api.get("/anomalies", {"verdict": ["none", "dismissed"]}))["total"] == 3
    assert (await api.get("/analytics/summary"))["anomalies"] == 2
    assert (await api.get("/records", {"anomalous": True}))["total"] == 2
    record = await api.get(f"/records/{newest['record_id']}")
    assert record["anomaly"]["verdict"] == "dismissed"

    taken_back = await api.call("PATCH", path, json={"verdict": None})
    assert taken_back.json()["verdict"] is None
    assert taken_back.json()["verdict_at"] is None
    trail = (await api.get("/audit", {"action": "anomaly.judge"}))["items"]
    assert [entry["detail"] for entry in trail] == ["verdict dismissed → none", "verdict none → dismissed"]


async def test_who_may_judge_what(api: Api) -> None:
    await detect(api, count=1)
    one = (await api.get("/anomalies"))["items"][0]
    assert (
        await api.call("PATCH", f"/anomalies/{one['id']}", json={"verdict": "confirmed"}, role=Role.VIEWER)
    ).status_code == 403
    for anomaly_id in ("0", "999999999", "x", "9" * 40, "²"):
        missing = await api.call("PATCH", f"/anomalies/{anomaly_id}", json={"verdict": "confirmed"})
        assert missing.status_code == 404, anomaly_id
    for body in ({"verdict": "perhaps"}, {}, {"verdict": None, "by": "me"}):
        assert (await api.call("PATCH", f"/anomalies/{one['id']}", json=body)).status_code == 422


async def test_anomalies_are_filtered_sorted_and_paged(api: Api) -> None:
    start = now(hours=1)
    await detect(api, count=12, start=start)
    for sort, key in (
        ("observed_at", "observed_at"),
        ("-observed_at", "observed_at"),
        ("score", "score"),
        ("-score", "score"),
    ):
        items = await api.pages("/anomalies", {"sort": sort}, limit=5)
        assert len({item["id"] for item in items}) == 12
        assert [item[key] for item in items] == sorted((i[key] for i in items), reverse=sort.startswith("-"))
    exactly = {
        "source": "press-3",
        "category": "temperature",
        "from": rfc3339(start),
        "to": f"{start.isoformat()}.000001Z",
    }
    assert (await api.get("/anomalies", exactly))["total"] == 1
    assert (await api.get("/anomalies", {"min_score": 8}))["total"] == 3
    assert (await api.get("/anomalies", {"source": "other"}))["total"] == 0


async def test_a_deleted_record_takes_its_anomaly_along(api: Api) -> None:
    await detect(api, count=1)
    record = (await api.get("/records"))["items"][0]
    assert (await api.call("DELETE", f"/records/{record['id']}")).status_code == 204
    assert (await api.get("/anomalies"))["total"] == 0


async def test_buckets_are_as_wide_as_asked_for_or_as_needed(api: Api) -> None:
    start = now(hours=20)
    await api.store(("a", "temperature", start + timedelta(minutes=n), float(n)) for n in range(0, 1_200, 20))
    wide = {"from": rfc3339(start), "to": rfc3339(start + timedelta(hours=20))}
    assert (await api.get("/analytics/timeseries", wide))["bucket"] == "2m"
    assert (await api.get("/analytics/timeseries", {**wide, "bucket": "minute"}))["bucket_seconds"] == 60
    refused = await api.call("GET", "/analytics/timeseries", params={**wide, "bucket": "second"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "bucket"
    hour = {"from": rfc3339(start), "to": rfc3339(start + timedelta(hours=1))}
    assert (await api.get("/analytics/timeseries", hour))["bucket"] == "5s"
    assert (await api.get("/analytics/timeseries", {}))["bucket"] == "2m"
    all_time = {"from": "1970-01-01T00:00:00Z", "to": "9999-12-30T00:00:00Z"}
    found = await api.get("/analytics/timeseries", all_time)
    assert found["bucket"] == "2m", "as fine as the readings allow, however long the range"
    assert sum(point["count"] for point in found["series"][0]["points"]) == 60


async def test_nothing_stored_is_nothing_wrong(api: Api) -> None:
    assert (await api.get("/analytics/summary"))["count"] == 0
    assert await api.get("/analytics/categories") == {"items": [], "notes": []}
    assert (await api.get("/analytics/timeseries"))["series"] == []
    assert await api.get("/records") == {
        "items": [],
        "next_cursor": None,
        "previous_cursor": None,
        "total": 0,
        "total_is_exact": True,
    }
    assert (await api.get("/series", {"source": "nobody"}))["items"] == []


async def test_series_are_paged_by_name(api: Api) -> None:
    await api.store((f"source-{n:02}", "temperature", now(minutes=n), float(n)) for n in range(9))
    items = await api.pages("/series", {}, limit=4)
    assert [item["source"] for item in items] == [f"source-{n:02}" for n in range(9)]
    assert items[3]["latest"] == {"observed_at": items[3]["latest"]["observed_at"], "value": 3.0}
    assert items[3]["unit"] == "°C"
