"""Webhooks: where they may go, what they carry, and what becomes of those that are not taken."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import mysql
from structlog.testing import capture_logs

from telltale_alerts.webhooks import addresses, dispatcher, repository
from telltale_alerts.webhooks.addresses import Forbidden, Unresolved, is_public, parse, resolve
from telltale_alerts.webhooks.dispatcher import ATTEMPTS, DELAY_LAST, Dispatcher, delay_after, http_client
from telltale_alerts.webhooks.repository import Due
from telltale_shared import emptying
from telltale_shared.instants import instant
from telltale_shared.security import Role
from telltale_shared.system_events import now_us
from telltale_shared.testing import eventually

from .conftest import Api, reading

pytestmark = pytest.mark.anyio


@dataclass
class Receiver:
    """An HTTP server that takes what it is sent, or answers something else."""

    url: str = ""
    answers: list[bytes] = field(default_factory=list)
    """Heads of the answers to come; afterwards it takes everything."""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 204 No Content"
        writer.write(answer + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "DELAY_FIRST", 0.05)
    monkeypatch.setattr(emptying, "LOOK_PERIOD", 0.05)


@pytest.fixture
async def receiver(impatient: None) -> AsyncIterator[Receiver]:
    it = Receiver()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts?room=4711"
    yield it
    server.close()
    await server.wait_closed()


async def webhook(api: Api, receiver: Receiver, **changed: Any) -> dict[str, Any]:
    body = {"name": "pager", "url": receiver.url, "min_severity": "warning", **changed}
    made: dict[str, Any] = await api.post("/webhooks", body, role=Role.ADMIN)
    return made


async def deliveries(api: Api, made: dict[str, Any]) -> list[dict[str, Any]]:
    response = await api.call("GET", f"/webhooks/{made['id']}/deliveries")
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_what_fires_and_what_is_resolved_arrives_once_and_signed(api: Api, receiver: Receiver) -> None:
    made = await webhook(api, receiver)
    await api.rule()
    await api.publish(reading(97.0), reading(98.0))
    await eventually(lambda: receiver.requests)
    await api.publish(reading(20.0))
    await eventually(lambda: len(receiver.requests) == 2)
    assert [(body["state"], body["source"]) for body in receiver.bodies] == [
        ("firing", "press-1"),
        ("resolved", "press-1"),
    ]
    for headers, body in receiver.requests:
        stamp, _, digest = headers["x-telltale-signature"].partition(",v1=")
        signed = stamp.removeprefix("t=").encode() + b"." + body
        assert digest == hmac.new(made["secret"].encode(), signed, hashlib.sha256).hexdigest()
        assert headers["content-type"] == "application/json"
    states = await eventually(lambda: _settled(api, made, 2))
    assert states == ["delivered", "delivered"]
    assert len({headers["x-telltale-delivery"] for headers, _ in receiver.requests}) == 2


async def _settled(api: Api, made: dict[str, Any], count: int) -> list[str]:
    states = [one["state"] for one in await deliveries(api, made)]
    assert len(states) == count
    assert "waiting" not in states
    return states


async def test_a_receiver_that_fails_is_asked_again_with_the_same_bytes_and_in_order(
    api: Api, receiver: Receiver
) -> None:
    made = await webhook(api, receiver)
    receiver.answers += [b"HTTP/1.1 500 Oh", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/", b"HTTP/1.1 429 No"]
    await api.rule()
    await api.publish(reading(97.0))
    await api.publish(reading(20.0))
    await eventually(lambda: len(receiver.requests) == 5, 20)
    bodies = [body for _, body in receiver.requests]
    assert bodies[0] == bodies[1] == bodies[2] == bodies[3]
    assert [body["state"] for body in receiver.bodies] == ["firing"] * 4 + ["resolved"]
    await eventually(lambda: _settled(api, made, 2))
    assert [one["attempts"] for one in await deliveries(api, made)] == [1, 4]


async def test_a_receiver_that_says_nothing_delays_nobody_else(api: Api, receiver: Receiver) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await api.post("/webhooks", {"name": "dead", "url": url, "min_severity": "warning"}, role=Role.ADMIN)
    await webhook(api, receiver)
    await api.rule()
    begun = time.monotonic()
    for count in range(1, 5):
        await api.publish(reading(97.0 if count % 2 else 20.0))
        await eventually(lambda: len(receiver.requests) == count, 4)  # noqa: B023 - awaited at once
    assert time.monotonic() - begun < dispatcher.TIMEOUT
    assert [body["state"] for body in receiver.bodies] == ["firing", "resolved"] * 2
    server.close()


async def test_what_is_due_is_found_without_reading_the_whole_table(api: Api, receiver: Receiver) -> None:
    made, other = await webhook(api, receiver), await webhook(api, receiver, name="other", enabled=False)
    async with api.app.state.engine.begin() as connection:
        for state, webhook_id in (("delivered", made["id"]), ("waiting", other["id"])):
            await connection.execute(
                text(
                    "INSERT INTO deliveries (webhook_id, alert_id, body, state, attempts, next_at, created_at, problem)"
                    " SELECT :webhook, seq DIV 2, '', :state, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), ''"
                    " FROM seq_1_to_5000"
                ),
                {"webhook": webhook_id, "state": state},
            )
        await connection.execute(text("ANALYZE TABLE deliveries"))
        plans, now = [], instant(now_us())
        for query in (repository.told_of(7), repository.due_to(int(made["id"]), now, 5), repository.waiting(now)):
            found = await connection.execute(text(f"EXPLAIN {_literal(query)}"))
            plans.append({row.key: int(row.rows) for row in found if row.table.startswith("deliveries")})
    assert [set(plan) for plan in plans] == [{"alert"}, {"webhook_due", "alert"}, {"webhook_due"}]
    assert all(rows < 100 for plan in plans[:2] for rows in plan.values()), (
        "of the last, one row of each webhook is read"
    )


def _literal(query: Select[Any]) -> str:
    return str(query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})).replace("%%", "%")


async def test_a_receiver_that_never_takes_it_is_given_up(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "ATTEMPTS", 3)
    made = await webhook(api, receiver)
    receiver.answers += [b"HTTP/1.1 503 No"] * 3
    await api.rule()
    await api.publish(reading(97.0))
    assert await eventually(lambda: _settled(api, made, 1)) == ["failed"]
    (one,) = await deliveries(api, made)
    assert (one["attempts"], one["problem"]) == (3, "the receiver answered 503")


async def test_what_is_mild_silenced_or_acknowledged_is_not_told(api: Api, receiver: Receiver) -> None:
    await webhook(api, receiver, min_severity="critical")
    await api.rule(severity="warning")
    await api.publish(reading(97.0))
    await eventually(api.firing)
    await api.rule(name="Very hot", condition={"kind": "threshold", "direction": "above", "value": 95.0})
    await api.publish(reading(97.0))
    await eventually(lambda: receiver.requests)
    assert [body["name"] for body in receiver.bodies] == ["Very hot"]


async def test_a_secret_is_shown_once_and_never_logged(api: Api, receiver: Receiver) -> None:
    with capture_logs() as logs:
        made = await webhook(api, receiver)
        receiver.answers.append(b"HTTP/1.1 500 Oh")
        tried = await api.post(f"/webhooks/{made['id']}/try", status=200, role=Role.ADMIN)
        assert tried == {"delivered": False, "problem": "the receiver answered 500"}
        await api.rule()
        await api.publish(reading(97.0))
        await eventually(lambda: len(receiver.requests) == 2)
    (listed,) = (await api.call("GET", "/webhooks")).json()["items"]
    assert "secret" not in listed
    audit = (await api.call("GET", "/audit")).text
    for hidden in (made["secret"], "4711"):
        assert hidden not in str(logs)
        assert hidden not in audit


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "https://user:password@example.com/",
        "https://example.com/#there",
        "http://exämple.com/",
        "gopher://example.com",
        "no url",
        "http://" + "a" * 2_000,
    ],
)
async def test_what_is_no_address_for_a_webhook_is_refused(api: Api, url: str) -> None:
    with pytest.raises(Forbidden):
        parse(url)
    response = await api.call("POST", "/webhooks", json={"name": "pager", "url": url})
    assert response.status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "fec0::1", "feff::1", "ff02::1",
    ],
)  # fmt: skip
def test_this_machine_and_private_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost:8000/", "http://[::1]/", "http://2130706433/"])
async def test_private_addresses_only_where_a_setting_allows_them(url: str) -> None:
    with pytest.raises(Forbidden, match="private network"):
        await resolve(parse(url), private=False)
    assert (await resolve(parse(url), private=True)).address in ("127.0.0.1", "::1")


async def test_a_name_that_leads_to_a_public_and_a_private_address_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found, raising=False)
    with pytest.raises(Forbidden):
        await resolve(parse("http://both.example/"), private=False)


async def test_what_is_connected_to_is_what_was_judged(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once: whoever answers differently the second time gains nothing."""
    asked: list[str] = []
    real = addresses.resolve

    async def judged(url: httpx.URL, *, private: bool) -> addresses.Target:
        asked.append(url.host)
        return addresses.Target(url, (await real(parse(receiver.url), private=True)).address)

    monkeypatch.setattr(dispatcher, "resolve", judged)
    port = httpx.URL(receiver.url).port
    async with http_client() as http:
        it = Dispatcher(None, http, private=False)  # type: ignore[arg-type]  # sends one, and looks nothing up
        due = Due(1, b"{}", 0, 1, "pager", f"http://nowhere.invalid:{port}/x", "s")
        assert await it.send(due) is None
    assert asked == ["nowhere.invalid"]
    assert receiver.requests[0][0]["host"] == f"nowhere.invalid:{port}"


async def test_an_unknown_name_is_no_error_but_tried_again_later(api: Api) -> None:
    with pytest.raises(Unresolved):
        await resolve(parse("http://nowhere.invalid/"), private=True)
    response = await api.call("POST", "/webhooks", json={"name": "later", "url": "http://nowhere.invalid/"})
    assert response.status_code == 201


async def test_a_receiver_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "TIMEOUT", 0.2)
    left = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with http_client() as http:
        it = Dispatcher(None, http, private=True)  # type: ignore[arg-type]  # sends one, and looks nothing up
        assert await it.send(Due(1, b"{}", 0, 1, "pager", url, "s")) == "no answer within 0.2 s"
    await left.wait()
    server.close()
    await server.wait_closed()


def test_attempts_wait_longer_and_longer_and_end() -> None:
    waits: list[float] = [delay_after(attempts) for attempts in range(1, ATTEMPTS)]
    assert waits == sorted(waits)
    assert 1_800 < sum(waits) < 2 * 3_600
    assert delay_after(100) == DELAY_LAST
