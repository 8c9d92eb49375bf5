"""The service over a migrated database of its own and a real broker."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm
from sqlalchemy import text

from telltale_alerts.app import create_app
from telltale_alerts.monitor import Monitor
from telltale_alerts.settings import Settings
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import AnomalyDetected, Heartbeat, ReadingBatch, SeriesKey, encode, schema_of
from telltale_shared.security import AUDIENCE, ISSUER, Role, TokenVerifier
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access
from telltale_shared.topology import LIVE_ANOMALY, LIVE_READINGS, LIVE_SYSTEM, topology

TABLES = ("deliveries", "webhooks", "outbox", "silences", "history", "alerts", "series", "audit_log")
SIGNING_KEY = Ed25519PrivateKey.generate()
ROUTES = {ReadingBatch: LIVE_READINGS, AnomalyDetected: LIVE_ANOMALY, Heartbeat: LIVE_SYSTEM}


def token(role: Role) -> str:
    """An access token as auth would sign it."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "jti": "test", "typ": "access", "role": role.value, "ver": 1,
        "name": f"Demo {role.value.lower()}", "iat": now, "exp": now + 300,
    }  # fmt: skip
    return jwt.encode(claims, SIGNING_KEY, "EdDSA", headers={"kid": "test"})


def _serve_keys(_: httpx.Request) -> httpx.Response:
    key = OKPAlgorithm.to_jwk(SIGNING_KEY.public_key(), as_dict=True)
    return httpx.Response(200, json={"keys": [{**key, "kid": "test", "alg": "EdDSA", "use": "sig"}]})


@pytest.fixture(scope="session")
def migrated(new_database: Callable[[], Access]) -> Access:
    """A database with this service's schema, made by the command that operators run."""
    access = new_database()
    environment = {
        **os.environ,
        "ALERTS_MIGRATION_DATABASE_URL": access.url,
        "ALERTS_MIGRATION_DATABASE_PASSWORD": access.password,
    }
    subprocess.run([sys.executable, "-m", "telltale_alerts.migrate"], env=environment, check=True, timeout=60)
    return access


@pytest.fixture(scope="session")
def own_broker(new_broker: Callable[[], Access]) -> Access:
    """A virtual host for these tests alone."""
    return new_broker()


@dataclass
class Api:
    """A client of the running app, and its live stream to put things into."""

    app: FastAPI
    http: httpx.AsyncClient
    publisher: Publisher

    @property
    def monitor(self) -> Monitor:
        monitor: Monitor = self.app.state.monitor
        return monitor

    async def call(self, method: str, path: str, *, role: Role = Role.ADMIN, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token(role)}", **options.pop("headers", {})}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a successful GET."""
        response = await self.call("GET", path, role=Role.VIEWER, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any = None, *, status: int = 201, role: Role = Role.USER) -> Any:
        """The body of a successful POST."""
        response = await self.call("POST", path, role=role, json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def rule(self, **changed: Any) -> dict[str, Any]:
        """A new rule: a value above 90, unless something else is asked for."""
        made: dict[str, Any] = await self.post("/rules", a_rule(**changed))
        return made

    async def publish(self, *messages: ReadingBatch | AnomalyDetected | Heartbeat) -> None:
        for message in messages:
            await self.publisher.publish(ROUTES[type(message)], encode(message), schema=schema_of(message))

    async def firing(self) -> list[dict[str, Any]]:
        """What fires now, acknowledged and silenced ones included."""
        states = ["firing", "acknowledged", "silenced"]
        found: list[dict[str, Any]] = (await self.get("/alerts", state=states))["items"]
        return found

    async def empty(self) -> None:
        """No rules but the built-in one, no alerts, no history."""
        async with self.app.state.engine.begin() as connection:
            await connection.execute(text("DELETE FROM rules WHERE NOT built_in"))
        await self.monitor.take_up_changes(by="nobody")
        async with self.app.state.engine.begin() as connection:
            for table in TABLES:
                await connection.execute(text(f"DELETE FROM {table}"))
        await self.monitor.take_up_changes(by="nobody")


def a_rule(**changed: Any) -> dict[str, Any]:
    """A rule as a person writes it."""
    condition = {"kind": "threshold", "direction": "above", "value": 90.0}
    return {"name": "Too hot", "severity": "critical", "condition": condition, **changed}


def reading(value: float, *, source: str = "press-1", seconds_ago: float = 0) -> ReadingBatch:
    """A delivery of one reading, measured now or so long ago."""
    now = now_us() - round(seconds_ago * 1_000_000)
    return ReadingBatch(
        producer="p",
        service="test",
        first=1,
        confirmed=0,
        published_at=now,
        series=[SeriesKey(source, "temperature", "°C")],
        index=[0],
        observed_at=[now],
        value=[value],
    )


def settings_of(database: Access, broker: Access, **changed: Any) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database.url,
            "database_password": database.password,
            "amqp_url": broker.url,
            "amqp_password": broker.password,
            "webhook_private_addresses": True,
            **changed,
        }
    )


@pytest.fixture(scope="module")
async def running(migrated: Access, own_broker: Access, anyio_backend: str) -> AsyncIterator[Api]:
    """The app; for one module only, since its tasks share their event loop with every test while it runs."""
    verifier = TokenVerifier("http://auth", http=httpx.AsyncClient(transport=httpx.MockTransport(_serve_keys)))
    app = create_app(settings_of(migrated, own_broker), verifier=verifier)
    address = BrokerAddress(own_broker.url, own_broker.password)
    async with app.router.lifespan_context(app), Publisher(address, topology(), name="test") as publisher:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://alerts") as http:
            yield Api(app, http, publisher)


@pytest.fixture
async def api(running: Api) -> Api:
    """The app without rules of anybody's."""
    await running.empty()
    return running
