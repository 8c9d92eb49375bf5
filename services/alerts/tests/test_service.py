"""From a reading in the live stream to an alert, and what people do with it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telltale_shared.broker import BrokerAddress, Link, StreamEvent, follow
from telltale_shared.contracts import AlertChanged, decode
from telltale_shared.security import Role
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import LIVE_STREAM, topology

from .conftest import Api, a_rule, reading

pytestmark = pytest.mark.anyio


@pytest.fixture
async def told(own_broker: Access, api: Api) -> AsyncIterator[list[AlertChanged]]:
    """What the live stream is told of alerts from now on."""
    messages: list[AlertChanged] = []

    async def collect(event: StreamEvent) -> None:
        message = decode(event.body)
        if isinstance(message, AlertChanged):
            messages.append(message)

    link = Link(BrokerAddress(own_broker.url, own_broker.password), topology(), name="test")
    task = asyncio.create_task(follow(link, LIVE_STREAM, collect, start="next"))
    await eventually(lambda: link.problem is None)
    yield messages
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def fire(api: Api, value: float = 97.0, **changed: Any) -> dict[str, Any]:
    """A rule, and an alert of it that fires."""
    await api.rule(**changed)
    await api.publish(reading(value))
    (alert,) = await eventually(api.firing)
    return dict(alert)


async def test_a_reading_beyond_its_threshold_fires_and_one_that_is_back_resolves(
    api: Api, told: list[AlertChanged]
) -> None:
    alert = await fire(api)
    assert (alert["state"], alert["value"], alert["severity"]) == ("firing", 97.0, "critical")
    assert (alert["source"], alert["category"], alert["unit"]) == ("press-1", "temperature", "°C")
    assert alert["explanation"] == "97 °C, above 90 °C."
    await api.publish(reading(20.0))
    await eventually(lambda: [message.state for message in told] == ["firing", "resolved"])
    assert {message.alert for message in told} == {alert["id"]}
    assert told[0].number < told[1].number
    detail = await api.get(f"/alerts/{alert['id']}")
    assert [entry["state"] for entry in detail["history"]] == ["firing", "resolved"]
    assert detail["resolved_at"] is not None
    assert await api.firing() == []


async def test_an_alert_that_never_fired_leaves_nothing_but_word_of_it(api: Api, told: list[AlertChanged]) -> None:
    await api.rule(for_seconds=600)
    await api.publish(reading(97.0))
    await eventually(lambda: [message.state for message in told] == ["pending"])
    assert (await api.get("/alerts/status"))["pending"] == 1
    await api.publish(reading(20.0))
    await eventually(lambda: [message.state for message in told] == ["pending", "resolved"])
    assert (await api.get("/alerts"))["total"] == 0


async def test_acknowledging_says_who_and_is_taken_back(api: Api, told: list[AlertChanged]) -> None:
    alert = await fire(api)
    path = f"/alerts/{alert['id']}/acknowledgement"
    seen = await api.post(path, {"note": "on my way"}, status=200)
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "Demo user")
    entry = (await api.get(f"/alerts/{alert['id']}"))["history"][-1]
    assert (entry["state"], entry["by"], entry["note"]) == ("acknowledged", "Demo user", "on my way")
    await eventually(lambda: told[-1].by == "Demo user")
    response = await api.call("DELETE", path, role=Role.USER)
    assert response.json()["state"] == "firing"
    await api.publish(reading(20.0))
    await eventually(lambda: told[-1].state == "resolved")
    assert (await api.call("POST", path, json={})).status_code == 409
    assert (await api.call("POST", "/alerts/999999999/acknowledgement", json={})).status_code == 404


async def test_a_silence_has_a_reason_and_an_end(api: Api, told: list[AlertChanged]) -> None:
    alert = await fire(api)
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    body = {"rule_id": alert["rule_id"], "sources": ["press-1"], "ends_at": ends_at.isoformat(), "reason": "cleaning"}
    silence = await api.post("/silences", body)
    (silenced,) = await api.firing()
    assert (silenced["state"], silenced["silenced_until"][:19]) == ("silenced", ends_at.isoformat()[:19])
    await eventually(lambda: told[-1].state == "silenced")
    assert told[-1].until == int(ends_at.timestamp() * 1_000_000)
    assert (await api.get("/silences"))["items"][0]["reason"] == "cleaning"
    assert (await api.call("DELETE", f"/silences/{silence['id']}", role=Role.USER)).status_code == 204
    assert (await api.firing())[0]["state"] == "firing"
    assert (await api.get("/silences"))["total"] == 0
    assert (await api.get("/silences", ended=True))["total"] == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2999-01-01T00:00:00Z"}, "ends_at"),
        ({"rule_id": "999999"}, "rule_id"),
    ],
)
async def test_a_silence_that_cannot_be_is_refused(api: Api, changed: dict[str, str], field: str) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    response = await api.call("POST", "/silences", json={"ends_at": soon, "reason": "cleaning", **changed})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_rule_is_changed_with_its_version_and_deleted(api: Api) -> None:
    rule = await api.rule(for_seconds=5)
    assert (rule["version"], rule["changed_by"], rule["for_seconds"]) == (1, "Demo user", 5)
    path, body = f"/rules/{rule['id']}", a_rule(name="Hot", for_seconds=7)
    changed = await api.call("PUT", path, json=body, headers={"If-Match": '"1"'})
    assert (changed.json()["version"], changed.json()["name"]) == (2, "Hot")
    assert changed.headers["etag"] == '"2"'
    stale = await api.call("PUT", path, json=body, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert "Demo admin has changed" in stale.json()["detail"]
    assert (await api.call("DELETE", path)).status_code == 204
    assert (await api.call("GET", path)).status_code == 404
    actions = [entry["action"] for entry in (await api.call("GET", "/audit")).json()["items"]]
    assert actions == ["rule.deleted", "rule.changed", "rule.created"]
    found = (await api.call("GET", "/audit", params={"q": "CHANGED"})).json()
    assert [entry["action"] for entry in found["items"]] == ["rule.changed"]
    assert (await api.call("GET", "/audit", params={"q": "°%_"})).json()["total"] == 0


async def test_two_rules_do_not_share_a_name(api: Api) -> None:
    await api.rule()
    response = await api.call("POST", "/rules", json=a_rule())
    assert (response.status_code, response.json()["errors"][0]["field"]) == (409, "name")


@pytest.mark.parametrize(
    "changed",
    [
        {"condition": {"kind": "threshold", "direction": "above", "value": 90.0, "clear": 91.0}},
        {"condition": {"kind": "threshold", "direction": "above", "value": 1e200}},
        {"condition": {"kind": "no_data"}, "for_seconds": 3},
        {"condition": {"kind": "anomaly"}, "clear_after_seconds": 0},
        {"condition": {"kind": "missing_readings"}},
        {"condition": {"kind": "magic"}},
        {"name": " "},
        {"for_seconds": -1},
        {"sources": ["a\tb"]},
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(api: Api, changed: dict[str, Any]) -> None:
    response = await api.call("POST", "/rules", json=a_rule(**changed))
    assert response.status_code == 422, response.text
    assert response.json()["errors"]


async def test_the_built_in_rule_stays_what_it_is(api: Api) -> None:
    (built_in,) = [rule for rule in (await api.get("/rules"))["items"] if rule["built_in"]]
    path = f"/rules/{built_in['id']}"
    assert (await api.call("DELETE", path)).status_code == 409
    body = {"name": "Readings are missing", "severity": "critical", "condition": {"kind": "missing_readings"}}
    assert (await api.call("PUT", path, json={**body, "for_seconds": 90})).status_code == 200
    assert (await api.call("PUT", path, json={**body, "enabled": False})).status_code == 409
    assert (await api.call("PUT", path, json=a_rule())).status_code == 409
    assert (await api.call("PUT", path, json={**body, "for_seconds": 60})).status_code == 200


async def test_alerts_are_filtered_and_paged_newest_first(api: Api) -> None:
    await api.rule()
    await api.publish(*(reading(97.0, source=f"press-{n}") for n in range(5)))
    await eventually(lambda: _count(api, 5))
    first = await api.get("/alerts", limit=2)
    rest = await api.get("/alerts", limit=100, cursor=first["next_cursor"])
    ids = [int(one["id"]) for one in first["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == first["total"] == 5
    assert rest["next_cursor"] is None
    assert (await api.get("/alerts", source="press-3"))["total"] == 1
    assert (await api.get("/alerts", severity=["info"]))["total"] == 0
    assert (await api.call("GET", "/alerts", params={"cursor": "nonsense"})).status_code == 422


async def _count(api: Api, count: int) -> bool:
    return len(await api.firing()) == count


async def test_it_says_what_it_cannot_tell(api: Api) -> None:
    await api.rule(name="Silent", condition={"kind": "no_data"}, for_seconds=60)
    await eventually(lambda: api.monitor.behind is not None)
    status = await api.get("/alerts/status")
    # No writer runs here, so nobody knows whether readings are missing.
    assert status["cannot_tell"] == ["Readings are missing: writer has not been heard from yet"]
    rules = {rule["name"]: rule["cannot_tell"] for rule in (await api.get("/rules"))["items"]}
    assert rules["Silent"] == ""
