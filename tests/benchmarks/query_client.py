"""The query service as a process of its own over a store, asked over HTTP as any client would."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from large_store.folder import Store
from services import Services, token

from telltale_shared.testing import Access


@dataclass(frozen=True)
class QueryClient:
    """Asks as a signed-in person, over one connection that is kept open."""

    http: httpx.AsyncClient

    async def get(self, path: str, parameters: Mapping[str, Any]) -> tuple[float, bytes]:
        """Seconds until the whole answer was there, and its body."""
        began = time.perf_counter()
        response = await self.http.get(f"/api/v1{path}", params=parameters)
        elapsed = time.perf_counter() - began
        if response.status_code != 200:
            raise RuntimeError(f"{path} {dict(parameters)}: {response.status_code} {response.text}")
        return elapsed, response.content


@asynccontextmanager
async def query_client(store: Store) -> AsyncIterator[QueryClient]:
    """A client of ``python -m telltale_query`` over ``store``, with the settings it has by itself."""
    database = Access(store.url, store.servers.mariadb_password)
    broker = Access(store.servers.amqp_url, store.servers.amqp_password)
    headers = {"Authorization": f"Bearer {token()}"}
    with TemporaryDirectory() as logs, Services(database, broker, Path(logs)) as services:
        query = services.start("telltale_query", "QUERY_PORT")
        async with httpx.AsyncClient(base_url=query.url, headers=headers, timeout=None) as http:
            yield QueryClient(http)
