"""The whole system: from a reading's source to the ledger, and what each role may do on the way."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import websockets
from tests.conftest import Stack

DEADLINE = 60.0


@pytest.fixture(scope="module")
def query(stack: Stack) -> Iterator[httpx.Client]:
    with stack.client("query") as client:
        yield client


def eventually(look: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """Call ``look`` until it returns something true; an AssertionError from it means "not yet"."""
    end = time.monotonic() + deadline
    while True:
        try:
            if found := look():
                return found
            complaint: object = found
        except (AssertionError, httpx.TransportError) as error:
            complaint = error
        assert time.monotonic() < end, f"not within {deadline} s; last seen: {complaint!r}"
        time.sleep(0.1)


def ledger(query: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = query.get("/ledger").raise_for_status().json()
    return answer


def settled(query: httpx.Client, service: str) -> dict[str, Any]:
    """The ledger's line of a running producer of ``service`` with readings stored."""
    lines = [p for p in ledger(query)["producers"] if p["service"] == service and not p["closed"]]
    assert lines, "no producer yet"
    line: dict[str, Any] = lines[-1]
    assert line["stored"] > 0
    return line


def test_default_readings_are_stored_and_nothing_is_missing(stack: Stack, query: httpx.Client) -> None:
    line = eventually(lambda: settled(query, "generator"))
    assert line["published"] >= line["confirmed"] >= 0
    assert (line["missing"], line["repeated"], line["dead"]) == (0, 0, 0)
    assert line["stored"] + line["in_flight"] == line["published"]
    series = query.get("/series").raise_for_status().json()["items"]
    assert len({item["category"] for item in series}) >= 4
    # Imports that were taken back leave series without records.
    own = [item for item in series if item["source"].startswith(("boiler-", "line-", "press-", "pump-"))]
    assert own
    assert all(item["latest"] for item in own)


def test_this_machine_is_measured(stack: Stack, query: httpx.Client) -> None:
    eventually(lambda: settled(query, "generator-host"))
    categories = {item["category"] for item in query.get("/series", params={"limit": 1000}).json()["items"]}
    assert any("cpu" in category for category in categories), categories


def test_own_readings_are_confirmed_then_stored_once(stack: Stack, query: httpx.Client) -> None:
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    readings = [
        {
            "source": "bench-scale",
            "category": "weight",
            "unit": "kg",
            "value": n * 0.5,
            "observed_at": (base + timedelta(seconds=n)).isoformat(),
        }
        for n in range(100)
    ]
    # Any generator takes posted readings; the repeats below go on the account of the one that measures this machine.
    with stack.client("generator-host", "user") as generator:
        confirmed = generator.post("/readings", json=readings)
        assert confirmed.status_code == 201, confirmed.text
        # The same readings again are new numbers for the same instants: repeated, and not stored twice.
        assert generator.post("/readings", json=readings).status_code == 201
        refused = generator.post("/readings", json=[*readings[:1], {**readings[1], "value": "heavy"}])
        assert refused.status_code == 422
        assert refused.headers["content-type"].startswith("application/problem+json")
        assert any("value" in error["field"] for error in refused.json()["errors"]), refused.text
    producer = confirmed.json()["producer"]

    def both_settled() -> bool:
        line = next(p for p in ledger(query)["producers"] if p["producer"] == producer)
        assert line["repeated"] == 100, line
        return True

    eventually(both_settled)
    page = query.get("/records", params={"source": "bench-scale", "limit": 1000}).raise_for_status().json()
    assert (page["total"], page["total_is_exact"]) == (100, True)
    assert sorted(item["value"] for item in page["items"]) == [n * 0.5 for n in range(100)]
    window = {"source": "bench-scale", "from": base.isoformat(), "to": (base + timedelta(seconds=100)).isoformat()}
    summary = query.get("/analytics/summary", params=window).raise_for_status().json()
    assert summary["count"] == 100
    assert summary["max"] == 49.5


def _has_stored(query: httpx.Client, enough: int) -> bool:
    return bool(settled(query, "generator")["stored"] >= enough)


def test_killing_the_writer_loses_and_repeats_nothing(stack: Stack, query: httpx.Client) -> None:
    with stack.client("generator", "user") as generator:
        generator.patch("/generator", json={"rate": 50}).raise_for_status()
        try:
            for _ in range(3):
                enough = settled(query, "generator")["stored"] + 500
                stack.kill("writer")
                eventually(partial(_has_stored, query, enough))
        finally:
            generator.patch("/generator", json={"rate": 1}).raise_for_status()

    def drained() -> dict[str, Any]:
        line = settled(query, "generator")
        assert line["in_flight"] < 100, line
        return line

    line = eventually(drained)
    assert (line["missing"], line["repeated"], line["dead"]) == (0, 0, 0)
    assert line["stored"] == line["published"] - line["in_flight"]


def test_killing_the_generator_loses_nothing_that_it_numbered(stack: Stack, query: httpx.Client) -> None:
    before = settled(query, "generator")["producer"]
    stack.kill("generator")

    def succeeded() -> bool:
        lines = {p["producer"]: p for p in ledger(query)["producers"]}
        assert lines[before]["closed"], "its successor has not closed it yet"
        assert lines[before]["in_flight"] == 0, lines[before]
        assert lines[before]["missing"] == 0
        assert settled(query, "generator")["producer"] != before
        return True

    eventually(succeeded)


def test_what_an_own_publisher_sends_wrong_is_a_dead_letter_with_its_reason(stack: Stack, query: httpx.Client) -> None:
    bodies = {"nonsense": b"\x00", "wrong version": b'{"schema": "reading_batch/99"}'}
    asyncio.run(stack.publish("store.readings.0", *bodies.values()))

    def buried() -> bool:
        letters = query.get("/dead-letters", params={"reason": "malformed"}).raise_for_status().json()["items"]
        assert len(letters) >= len(bodies), letters
        return all(letter["detail"] for letter in letters)

    eventually(buried)


def test_roles_are_enforced_by_the_services(stack: Stack) -> None:
    now = datetime.now(UTC).isoformat()
    record = {"source": "manual", "category": "reading", "value": 1.0, "observed_at": now, "unit": "m"}
    with stack.client("query", "viewer") as viewer, stack.client("query", "user") as user:
        assert viewer.get("/records").status_code == 200
        assert viewer.post("/records", json=record).status_code == 403
        created = user.post("/records", json=record)
        assert created.status_code == 201, created.text
        record_id = created.json()["id"]
        assert viewer.delete(f"/records/{record_id}").status_code == 403
        assert user.get("/logs").status_code == 403
        assert user.delete(f"/records/{record_id}").status_code in (200, 204)
    with stack.client("generator", "viewer") as viewer:
        assert viewer.patch("/generator", json={"paused": True}).status_code == 403
    with stack.client("auth", "user") as user:
        assert user.get("/users").status_code == 403
    for name in ("query", "generator"):
        anonymous = httpx.get(f"{stack.url(name)}/api/v1/{'records' if name == 'query' else 'generator'}")
        assert anonymous.status_code == 401
        assert anonymous.headers["content-type"].startswith("application/problem+json")


@pytest.mark.timeout(300)
def test_an_injected_anomaly_is_detected_stored_and_explained(stack: Stack, query: httpx.Client) -> None:
    def warm() -> bool:
        status = query.get("/status").raise_for_status().json()
        return any(instance["service"] == "detector" for instance in status["instances"])

    eventually(warm)
    target = "press-1"

    # The detector says nothing before it has seen enough of a series; then a spike is found at once.
    def seen() -> bool:
        return bool(query.get("/records", params={"source": target, "category": "temperature"}).json()["total"] >= 90)

    eventually(seen, 150)

    def inject_and_look() -> bool:
        with stack.client("generator", "user") as generator:
            body = {"source": target, "category": "temperature", "kind": "spike"}
            assert generator.post("/generator/anomalies", json=body).status_code < 300
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = query.get("/anomalies", params={"source": target}).raise_for_status().json()["items"]
            if any(anomaly["explanation"] for anomaly in found):
                return True
            time.sleep(0.3)
        return False

    eventually(inject_and_look, 60)


def test_a_stream_client_gets_history_then_live_and_resumes(stack: Stack) -> None:
    async def receive(until: Callable[[dict[str, Any]], bool], after: object = None) -> list[dict[str, Any]]:
        with stack.client("auth", "viewer") as auth:
            token = auth.post("/auth/stream-token").raise_for_status().json()["token"]
        frames: list[dict[str, Any]] = []
        origin = stack.url("ui")
        async with (
            asyncio.timeout(30),
            websockets.connect(stack.stream_url, origin=websockets.Origin(origin)) as socket,
        ):
            await socket.send(json.dumps({"type": "authenticate", "token": token}))
            subscribe: dict[str, Any] = {
                "type": "subscribe",
                "sources": [],
                "categories": ["temperature"],
                "history": "1m",
            }
            if after is not None:
                subscribe["after"] = after
            await socket.send(json.dumps(subscribe))
            async for text in socket:
                frames.append(json.loads(text))
                if until(frames[-1]):
                    return frames
        raise AssertionError("the gateway closed the connection")

    def readings(frames: list[dict[str, Any]]) -> list[tuple[str, int]]:
        points = [frame["points"] for frame in frames if frame["type"] == "readings"]
        return [
            (p["series"][which][0], at) for p in points for which, at in zip(p["index"], p["observed_at"], strict=True)
        ]

    first = asyncio.run(receive(lambda frame: frame["type"] == "readings" and "first" in frame["position"]))
    assert first[0]["type"] == "hello"
    position = first[-1]["position"]
    time.sleep(3)
    seen: list[dict[str, Any]] = []

    def three_live(frame: dict[str, Any]) -> bool:
        seen.append(frame)
        return len([f for f in seen if f["type"] == "readings"]) >= 3

    second = asyncio.run(receive(three_live, after=position))
    subscribed = next(frame for frame in second if frame["type"] == "subscribed")
    assert subscribed["recovered"] is True
    assert not set(readings(first)) & set(readings(second)), "a reading came twice"
    assert readings(second)


def test_logs_status_and_ledger_say_that_all_is_well(stack: Stack, query: httpx.Client) -> None:
    services = {"auth", "writer", "query", "gateway", "detector", "generator", "generator-host"}

    def everybody() -> dict[str, Any]:
        status: dict[str, Any] = query.get("/status").raise_for_status().json()
        assert services <= {instance["service"] for instance in status["instances"]}, status["instances"]
        return status

    status = eventually(everybody)
    assert status["database"]["reachable"] is True
    assert query.get("/logs").status_code == 200
    totals = ledger(query)["totals"]
    assert totals["missing"] == 0
