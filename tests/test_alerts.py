"""Alerts in the whole system: an injected anomaly reaches a receiver once, whatever is killed on the way."""

import hashlib
import hmac
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.conftest import PICTURES, Stack
from tests.test_end_to_end import eventually

SOURCE, CATEGORY = "press-2", "temperature"


class Receiver:
    """An HTTP server on this machine that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, name: str) -> list[dict[str, Any]]:
        """The messages about rules whose name begins with ``name``."""
        bodies = [json.loads(body) for _, body in self.requests]
        return [body for body in bodies if body.get("name", "").startswith(name)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()
    yield it
    it.close()


@pytest.fixture
def alerts(stack: Stack) -> Iterator[httpx.Client]:
    with stack.client("alerts") as client:
        yield client


def usual(stack: Stack) -> tuple[float, float]:
    """The middle of the series in the last minutes, and the size of its noise."""
    since = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
    with stack.client("query") as query:
        params = {"source": SOURCE, "category": CATEGORY, "from": since, "limit": "1000"}
        values = [one["value"] for one in query.get("/records", params=params).raise_for_status().json()["items"]]
    assert len(values) > 20
    middle = statistics.median(values)
    return middle, 1.5 * statistics.median(abs(value - middle) for value in values)


def test_an_injected_anomaly_exceeds_a_threshold_and_the_webhook_arrives_once_over_a_kill(
    stack: Stack, alerts: httpx.Client, receiver: Receiver
) -> None:
    webhook = alerts.post("/webhooks", json={"name": "receiver", "url": receiver.url}).raise_for_status().json()
    middle, noise = eventually(lambda: usual(stack))
    rules = []
    for direction, sign in (("above", 1), ("below", -1)):
        # An injected spike has at least ten times the noise, up or down.
        limit, clear = middle + sign * 7 * noise, middle + sign * 5 * noise
        rule = {"name": f"Injected {direction}", "severity": "critical", "sources": [SOURCE], "categories": [CATEGORY]}
        condition = {"kind": "threshold", "direction": direction, "value": limit, "clear": clear}
        rules.append(alerts.post("/rules", json={**rule, "condition": condition}).raise_for_status().json())
    with stack.client("generator", "user") as generator:
        body = {"source": SOURCE, "category": CATEGORY, "kind": "spike"}
        injected = generator.post("/generator/anomalies", json=body)
        assert injected.status_code < 300, injected.text
    eventually(lambda: receiver.told("Injected"))
    stack.kill("alerts")
    eventually(lambda: stack.is_ready("alerts"))
    eventually(lambda: "resolved" in [body["state"] for body in receiver.told("Injected")])
    time.sleep(3)  # time for a second message that must not come
    told = receiver.told("Injected")
    assert [body["state"] for body in told] == ["firing", "resolved"]
    assert (told[0]["source"], told[0]["category"]) == (SOURCE, CATEGORY)
    assert abs(told[0]["value"] - middle) > 7 * noise
    for headers, sent in receiver.requests:
        stamp, _, digest = headers["x-telltale-signature"].partition(",v1=")
        signed = stamp.removeprefix("t=").encode() + b"." + sent
        assert digest == hmac.new(webhook["secret"].encode(), signed, hashlib.sha256).hexdigest()
    page = alerts.get("/alerts", params={"source": SOURCE, "severity": "critical"}).json()
    assert [(one["state"], one["id"]) for one in page["items"]] == [("resolved", told[0]["alert"])]
    for rule in rules:
        alerts.delete(f"/rules/{rule['id']}").raise_for_status()
    alerts.delete(f"/webhooks/{webhook['id']}").raise_for_status()


def test_a_stopped_generator_is_an_outage_and_no_silence(stack: Stack, alerts: httpx.Client) -> None:
    rule = {"name": "Silent", "condition": {"kind": "no_data"}, "for_seconds": 20, "sources": [SOURCE]}
    made = alerts.post("/rules", json=rule).raise_for_status().json()
    path = f"/rules/{made['id']}"
    try:
        stack.stop("generator")
        told = eventually(lambda: alerts.get(path).json()["cannot_tell"])
        assert "generator has not been heard from" in told
        time.sleep(10)  # by now it has been silent for longer than is allowed
        assert alerts.get("/alerts", params={"rule_id": made["id"]}).json()["total"] == 0
        status = alerts.get("/alerts/status").json()
        assert any(line.startswith("Silent: ") for line in status["cannot_tell"])
        stack.start("generator")
        eventually(lambda: alerts.get(path).json()["cannot_tell"] == "")
        # A generator that is well and does not send is a silent sensor.
        with stack.client("generator", "user") as generator:
            generator.patch("/generator", json={"paused": True}).raise_for_status()
            eventually(lambda: alerts.get("/alerts", params={"rule_id": made["id"], "state": "firing"}).json()["total"])
            generator.patch("/generator", json={"paused": False}).raise_for_status()
        eventually(lambda: not alerts.get("/alerts", params={"rule_id": made["id"], "state": "firing"}).json()["total"])
    finally:
        stack.start("generator")
        with stack.client("generator", "user") as generator:
            generator.patch("/generator", json={"paused": False})
        alerts.delete(path).raise_for_status()


def test_a_rule_is_tried_on_what_was_stored_and_watched_on_the_page(
    sign_in: Callable[[str], Page], stack: Stack, alerts: httpx.Client
) -> None:
    middle, _ = eventually(lambda: usual(stack))
    page = sign_in("User")
    page.get_by_role("link", name="Alerts").click()
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Always on")
    dialog.get_by_label("Limit").fill(f"{middle - 1000:.3f}")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.get_by_text("would have fired")).to_be_visible(timeout=30_000)
    page.screenshot(path=PICTURES / "alerts-trial.png", full_page=True)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Acknowledge").first).to_be_visible(timeout=30_000)
    page.screenshot(path=PICTURES / "alerts.png", full_page=True)
    made = next(rule for rule in alerts.get("/rules").json()["items"] if rule["name"] == "Always on")
    alerts.delete(f"/rules/{made['id']}").raise_for_status()
