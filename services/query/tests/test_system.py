"""Status, logs and the audit trail."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from telltale_shared.contracts import Heartbeat, LogEvent
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store.events import store_heartbeats, store_logs
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.testing import eventually

from .conftest import Api, forged_cursor, now, rfc3339

pytestmark = pytest.mark.anyio


async def beat(api: Api, service: str, *, ago: float = 0, started: float = 3_600, **more: Any) -> None:
    at = microseconds(now(seconds=ago))
    heartbeat = Heartbeat(
        service=service, instance=f"{service}@host:{int(started)}", version="0.1.0",
        started_at=microseconds(now(seconds=started)), at=at, health=more.pop("health", "ok"), memory_bytes=50_000_000,
        **more,
    )  # fmt: skip
    async with api.engine.begin() as connection:
        await store_heartbeats(connection, [heartbeat])


def reasons(found: Any) -> list[str]:
    """Without the queue of heartbeats, which nothing consumes in these tests."""
    return [reason for reason in found["reasons"] if "events.store" not in reason]


async def test_all_is_well(api: Api) -> None:
    await beat(api, "writer", figures={"readings_per_second": 8.0}, dependencies={"database": "ok"})

    async def status() -> Any:
        found = await api.get("/status", role=Role.VIEWER)
        assert found["broker"]["reachable"]
        return found

    found = await eventually(status)
    assert reasons(found) == []
    assert found["status"] == ("degraded" if found["reasons"] else "ok")
    (writer,) = found["instances"]
    assert writer["service"] == "writer"
    assert writer["figures"] == {"readings_per_second": 8.0}
    assert writer["dependencies"] == {"database": "ok"}
    assert writer["age_seconds"] < 10
    assert {queue["name"] for queue in found["queues"]} == {
        "readings.store.0",
        "events.store",
        "readings.dead",
        "live",
        "identity",
    }
    assert found["database"]["migration"] == SCHEMA_VERSION
    assert found["database"]["reachable"]
    assert found["database"]["latency_ms"] > 0
    assert found["database"]["size_bytes"] > 0
    assert len(found["database"]["tables"]) == 8
    assert found["lag"]["deliveries_waiting"] == 0
    assert found["ledger"] == "0 published, 0 missing, 0 repeated, 0 stored, 0 dead, 0 in flight"


async def test_status_names_what_is_wrong(api: Api) -> None:
    await beat(api, "writer", ago=60)
    await beat(api, "detector", health="degraded", dependencies={"broker": "cannot connect", "database": "ok"})
    found = await api.get("/status")
    assert found["status"] == "degraded"
    degraded, silent, missing = reasons(found)
    assert degraded == "detector@host:3600 is degraded (broker: cannot connect)"
    assert silent.startswith("writer@host:3600 has been silent for 0:01:0")
    assert missing == "no writer is running: readings wait in the broker"


async def test_a_restart_supersedes_its_predecessor(api: Api) -> None:
    await beat(api, "writer", ago=60)
    await beat(api, "writer", started=30)
    found = await api.get("/status")
    assert [one["instance"] for one in found["instances"]] == ["writer@host:30"]
    assert reasons(found) == []


async def test_logs_are_searched_filtered_and_paged(api: Api) -> None:
    start = now(minutes=10)
    events = [
        LogEvent(
            service="writer" if n % 2 else "query", instance="one", at=microseconds(start + timedelta(seconds=n)),
            level="error" if n % 5 == 0 else "warning", logger="telltale", message=f"entry {n} of 100%",
            fields={"attempt": str(n)},
        )
        for n in range(25)
    ]  # fmt: skip
    async with api.engine.begin() as connection:
        await store_logs(connection, events)
    everything = await api.pages("/logs", {}, limit=4)
    assert [entry["message"] for entry in everything] == [f"entry {n} of 100%" for n in reversed(range(25))]
    assert everything[0]["fields"] == {"attempt": "24"}
    errors = await api.get("/logs", {"level": "error", "service": "query"})
    assert [entry["message"] for entry in errors["items"]] == [
        "entry 20 of 100%",
        "entry 10 of 100%",
        "entry 0 of 100%",
    ]
    assert (await api.get("/logs", {"q": "ENTRY 7 OF 100%"}))["total"] == 1
    assert (await api.get("/logs", {"q": "entry_7"}))["total"] == 0
    some = {"from": rfc3339(start), "to": rfc3339(start + timedelta(seconds=3))}
    assert (await api.get("/logs", some))["total"] == 3


async def test_the_trail_is_searched_by_actor_and_action(api: Api) -> None:
    body = {"source": "a", "category": "x", "observed_at": rfc3339(now()), "value": 1}
    made = (await api.call("POST", "/records", json=body, role=Role.USER)).json()
    await api.call("DELETE", f"/records/{made['id']}", role=Role.ADMIN)
    assert [e["action"] for e in (await api.get("/audit", {"actor": "Demo user"}))["items"]] == ["record.create"]
    assert [e["actor"] for e in (await api.get("/audit", {"action": "record.delete"}))["items"]] == ["Demo admin"]
    assert (await api.get("/audit", {"q": "nobody"}))["items"] == []
    assert (await api.get("/audit", {"q": "ж"}))["items"] == []
    assert (await api.get("/audit", {"q": "RECORD.DEL"}))["total"] == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [("audit", "action"), ("anomalies", "kind"), ("anomalies", "detector"), ("dead-letters", "reason")],
)
async def test_a_word_that_is_no_ascii_is_refused(api: Api, path: str, field: str) -> None:
    refused = await api.call("GET", f"/{path}", params={field: "ü"})
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("path", ["logs", "audit", "dead-letters"])
async def test_a_cursor_with_an_impossible_id_is_refused(api: Api, path: str) -> None:
    cursor = forged_cursor(False, ["2026-11-23T08:00:00", 10**30])
    refused = await api.call("GET", f"/{path}", params={"cursor": cursor})
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == "cursor"


async def test_swagger_takes_a_token_of_auth(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    scheme = document["components"]["securitySchemes"]["AccessToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/api/v1/records"]["get"]["security"] == [{"AccessToken": []}]


async def test_health_has_a_line_for_each_dependency(api: Api) -> None:
    async def ready() -> Any:
        response = await api.http.get("/health/ready")
        assert response.status_code == 200
        assert response.json()["dependencies"] == {"database": "ok", "keys": "ok", "broker": "ok", "revocations": "ok"}
        return True

    await eventually(ready)
    assert (await api.http.get("/health/live")).json() == {"status": "ok"}
    assert (await api.http.get("/metrics")).status_code == 200
    assert "/api/v1/records/{record_id}" in (await api.http.get("/openapi.json")).json()["paths"]


async def test_the_audit_trail_is_searched_and_exported(api: Api) -> None:
    for source in ("=cmd", "'=it", "press", "pump"):
        body = {"source": source, "category": "x", "value": 1, "observed_at": rfc3339(now()), "note": 'a, "b"\nc'}
        assert (await api.call("POST", "/records", json=body)).status_code == 201
    found = await api.get("/audit", {"target": "pump", "actor": "7", "action": "record.create", "outcome": "done"})
    assert [entry["target"].split(" · ")[0] for entry in found["items"]] == ["pump"]
    assert (await api.get("/audit", {"target": "p%p"}))["items"] == []
    file = await api.call("GET", "/audit/export", params={"action": "record.create"})
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    listed = (await api.get("/audit"))["items"]
    assert [row["id"] for row in rows] == [entry["id"] for entry in listed]
    assert [row["at"] for row in rows] == [entry["at"] for entry in listed]
    assert [json.loads(row["after"]) for row in rows] == [entry["after"] for entry in listed]
    assert [row["target"].split(" · ")[0] for row in rows] == ["pump", "press", "''=it", "'=cmd"]
    assert (await api.call("GET", "/audit/export", params={"limit": 5})).status_code == 422
    reversed_range = {"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T07:00:00Z"}
    assert (await api.call("GET", "/audit/export", params=reversed_range)).status_code == 422


async def test_a_long_audit_trail_is_exported_whole(api: Api) -> None:
    await api.run(
        "INSERT INTO audit_log (at, actor_id, actor_name, action, target, outcome)"
        " VALUES (:at, '1', 'x', 'record.edit', :n, 'done')",
        [{"at": now(minutes=n // 700), "n": str(n)} for n in range(2_500)],
    )
    file = await api.call("GET", "/audit/export")
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert sorted(int(row["target"]) for row in rows) == list(range(2_500))
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
