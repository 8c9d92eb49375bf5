"""The service over a migrated database of its own and a real broker, and what its tests store in them."""

import base64
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.app import create_app
from telltale_query.settings import Settings
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.security import AUDIENCE, ISSUER, Role, TokenVerifier
from telltale_shared.store import records, rollups
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.store.series import NewSeries, Series, find_or_create_series
from telltale_shared.testing import Access

TABLES = (
    *("sensitivities", "backlogs"),
    *("sketches_minute", "sketches_hour", "sketches_day", "horizons", "jobs", "job_files", "imports", "import_chunks"),
    *("import_series", "import_errors", "import_replacements"),
    *("series", "records", "series_latest", "rollups_minute", "rollups_hour", "rollups_day", "producers"),
    *(
        "deliveries",
        "producer_days",
        "dead_letters",
        "anomalies",
        "record_edits",
        "service_instances",
        "system_logs",
        "audit_log",
    ),
)
SIGNING_KEY = Ed25519PrivateKey.generate()


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


def key_server() -> TokenVerifier:
    """A verifier that gets the key of these tests from a stand-in for auth."""
    return TokenVerifier("http://auth", http=httpx.AsyncClient(transport=httpx.MockTransport(_serve_keys)))


@pytest.fixture(scope="session")
def migrated(new_database: Callable[[], Access]) -> Access:
    access = new_database()
    environment = {
        **os.environ,
        "WRITER_MIGRATION_DATABASE_URL": access.url,
        "WRITER_MIGRATION_DATABASE_PASSWORD": access.password,
    }
    subprocess.run([sys.executable, "-m", "telltale_writer.migrate"], env=environment, check=True, timeout=60)
    return access


@dataclass
class Api:
    """A client of the running app, and its database to store things in behind its back."""

    app: FastAPI
    http: httpx.AsyncClient

    @property
    def engine(self) -> AsyncEngine:
        engine: AsyncEngine = self.app.state.engine
        return engine

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: Role = Role.ADMIN,
        headers: dict[str, str] | None = None,
        params: Any = None,
        json: Any = None,
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token(role)}", **(headers or {})}
        return await self.http.request(method, f"/api/v1{path}", headers=sent, params=params, json=json)

    async def get(self, path: str, params: Any = None, *, role: Role = Role.ADMIN) -> Any:
        """The body of a successful GET."""
        response = await self.call("GET", path, role=role, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def pages(self, path: str, params: dict[str, Any], *, limit: int) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        cursor = None
        while True:
            page = await self.get(path, {**params, "limit": limit, **({"cursor": cursor} if cursor else {})})
            items += page["items"]
            cursor = page["next_cursor"]
            assert len(page["items"]) == limit or cursor is None
            if cursor is None:
                return items

    async def pages_back(self, path: str, params: dict[str, Any], cursor: str) -> list[Any]:
        """All items of a list before ``cursor``, page by page, in the order of the list."""
        items: list[Any] = []
        previous: str | None = cursor
        while previous is not None:
            page = await self.get(path, {**params, "cursor": previous})
            items = page["items"] + items
            previous = page["previous_cursor"]
        return items

    async def store(self, readings: Iterable[tuple[str, str, datetime, float]]) -> dict[tuple[str, str], Series]:
        """Store readings (source, category, naive UTC, value) as the writer does."""
        rows = list(readings)
        now = time.time_ns() // 1_000
        first = {(source, category): value for source, category, _, value in reversed(rows)}
        units = {"temperature": "°C", "pressure": "bar"}

        async def work(connection: Any) -> dict[tuple[str, str], Series]:
            wanted = {key: NewSeries(units.get(key[1]), value) for key, value in first.items()}
            series = await find_or_create_series(connection, wanted, now=now)
            columns = records.Columns(
                np.array([series[source, category].id for source, category, _, _ in rows]),
                np.array([microseconds(at) for _, _, at, _ in rows]),
                np.array([value for *_, value in rows], dtype=np.float64),
            )
            columns = columns.take(records.key_order(columns))
            outcomes = await records.insert_records(connection, columns)
            assert not outcomes.any()
            await records.advance_latest(connection, columns)
            origins = {one.id: one.origin for one in series.values()}
            around = np.array([origins[series_id] for series_id in columns.series_id.tolist()])
            await rollups.add(connection, columns, around)
            return series

        return await in_transaction(self.engine, work)

    async def run(self, statement: str, rows: Any = None) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), rows)

    async def empty(self) -> None:
        async with self.engine.begin() as connection:
            for table in TABLES:
                await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture(scope="session")
def own_broker(new_broker: Callable[[], Access]) -> Access:
    """A virtual host for these tests alone: other services' tests listen for the first heartbeat on theirs."""
    return new_broker()


@pytest.fixture(scope="module")
async def running(migrated: Access, own_broker: Access, anyio_backend: str) -> AsyncIterator[Api]:
    """The app; for one module only, since its tasks share their event loop with every test while it runs."""
    settings = Settings.model_validate(
        {
            "database_url": migrated.url,
            "database_password": migrated.password,
            "amqp_url": own_broker.url,
            "amqp_password": own_broker.password,
        }
    )
    app = create_app(settings, verifier=key_server())
    async with app.router.lifespan_context(app):
        for table in ("records", "system_logs"):
            await ensure_partitions(app.state.engine, PartitionedTable(table, 365), today=datetime.now(UTC).date())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://query") as http:
            yield Api(app, http)


@pytest.fixture
async def api(running: Api) -> Api:
    """The app over empty tables."""
    await running.empty()
    return running


def now(**ago: float) -> datetime:
    """Naive UTC now, or so long ago, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(**ago)


def rfc3339(at: datetime) -> str:
    return f"{at.isoformat()}Z"


def forged_cursor(*key: Any) -> str:
    """A cursor that looks like ours and holds ``key``."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def close(left: float | None, right: float | None) -> bool:
    """Equal within what summing in another order may change."""
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
