"""Trying a rule on the past, which query serves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from telltale_alerts.rules import trial
from telltale_alerts.rules.trial import Trials
from telltale_shared.security import Role

from .conftest import Api, a_rule

pytestmark = pytest.mark.anyio

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)


class Past:
    """Stands in for query: pages of records and anomalies."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.anomalies: list[dict[str, Any]] = []
        self.asked: list[httpx.Request] = []
        self.status = 200

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.status != 200:
            return httpx.Response(self.status, json={"title": "no"})
        items = self.anomalies if request.url.path.endswith("/anomalies") else self.records
        start = int(request.url.params.get("cursor", 0))
        page, following = items[start : start + trial.PAGE], start + trial.PAGE
        cursor = str(following) if following < len(items) else None
        return httpx.Response(200, json={"items": page, "next_cursor": cursor, "total": len(items)})

    def record(self, second: float, value: float, source: str = "press-1") -> None:
        at = (BEGIN + timedelta(seconds=second)).isoformat()
        series = {"source": source, "category": "temperature", "unit": "°C"}
        self.records.append({**series, "observed_at": at, "value": value})


@pytest.fixture
def past(api: Api) -> Iterator[Past]:
    it, kept = Past(), api.app.state.trials
    api.app.state.trials = Trials("http://query", httpx.AsyncClient(transport=httpx.MockTransport(it.answer)))
    yield it
    api.app.state.trials = kept


def body(hours: float = 1, **changed: Any) -> dict[str, Any]:
    end = BEGIN + timedelta(hours=hours)
    return {"rule": a_rule(**changed), "from": BEGIN.isoformat(), "to": end.isoformat()}


def seconds(instant: str | None) -> float | None:
    return None if instant is None else (datetime.fromisoformat(instant) - BEGIN).total_seconds()


async def test_a_threshold_would_have_fired_where_it_was_exceeded_for_long_enough(api: Api, past: Past) -> None:
    for second in range(2_500):
        past.record(second, 95.0 if 100 <= second < 200 or 300 <= second < 305 or second > 2_400 else 20.0)
    result = await api.post("/rules/try", body(for_seconds=10, sources=["press-1"]), status=200, role=Role.VIEWER)
    found = [(seconds(one["since"]), seconds(one["fired_at"]), seconds(one["resolved_at"])) for one in result["alerts"]]
    assert found == [(100, 110, 200), (2_401, 2_411, None)]
    assert (result["total"], result["readings"], result["series"]) == (2, 2_500, 1)
    assert result["is_complete"]
    first = past.asked[0]
    assert first.headers["authorization"].startswith("Bearer ")
    assert first.url.params.get_list("source") == ["press-1"]
    assert len(past.asked) == 3
    assert (await api.get("/rules"))["total"] == 1  # the built-in one


async def test_a_gap_in_the_past_is_silence(api: Api, past: Past) -> None:
    for second in (0, 30, 60, 600, 630):
        past.record(second, 1.0)
    past.record(640, 1.0, "press-2")
    asked = body(hours=0.2, condition={"kind": "no_data"}, for_seconds=60)
    result = await api.post("/rules/try", asked, status=200)
    found = [(one["source"], seconds(one["fired_at"]), seconds(one["resolved_at"])) for one in result["alerts"]]
    assert found == [("press-1", 120, 600), ("press-1", 690, None), ("press-2", 700, None)]


async def test_an_anomaly_rule_is_tried_on_the_detectors_anomalies(api: Api, past: Past) -> None:
    for second, score in ((10, 9.0), (40, 9.0), (400, 7.0), (900, 9.0)):
        past.anomalies.append(
            {
                "source": "press-1", "category": "temperature", "unit": "°C", "value": 80.0, "score": score,
                "expected_low": 60.0, "expected_high": 63.0, "kind": "spike", "detector": "robust", "version": "1",
                "explanation": "80 °C lies above.", "observed_at": (BEGIN + timedelta(seconds=second)).isoformat(),
            }
        )  # fmt: skip
    asked = body(condition={"kind": "anomaly", "min_score": 8.0}, clear_after_seconds=60)
    result = await api.post("/rules/try", asked, status=200)
    assert [(seconds(one["fired_at"]), seconds(one["resolved_at"])) for one in result["alerts"]] == [
        (10, 100),
        (900, 960),
    ]


async def test_too_much_past_is_cut_and_says_so(api: Api, past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "READINGS_MAX", 2_000)
    for second in range(3_000):
        past.record(second, 20.0)
    result = await api.post("/rules/try", body(), status=200)
    assert not result["is_complete"]
    assert (result["readings"], seconds(result["evaluated_to"])) == (2_000, 1_999)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"to": (BEGIN - timedelta(hours=1)).isoformat()}, "to"),
        ({"to": (BEGIN + timedelta(days=40)).isoformat()}, "to"),
        ({"from": "2026-11-20T08:00:00"}, "from"),
        ({"rule": {"name": "x", "condition": {"kind": "missing_readings"}}}, "rule.condition.kind"),
    ],
)
async def test_a_past_that_cannot_be_is_refused(api: Api, past: Past, changed: dict[str, Any], field: str) -> None:
    response = await api.call("POST", "/rules/try", json=body() | changed)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert past.asked == []


@pytest.mark.parametrize(("status", "answered"), [(401, 401), (403, 403), (500, 503), (503, 503)])
async def test_what_query_refuses_is_told(api: Api, past: Past, status: int, answered: int) -> None:
    past.status = status
    assert (await api.call("POST", "/rules/try", json=body())).status_code == answered
