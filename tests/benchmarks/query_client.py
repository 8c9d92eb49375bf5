"""The query service inside this process: the whole way of a request but for the socket."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from large_store.folder import Store

from telltale_query.app import create_app
from telltale_query.heap import settle
from telltale_query.settings import Settings
from telltale_shared.security import AUDIENCE, ISSUER, TokenVerifier


@dataclass(frozen=True)
class QueryClient:
    """Asks as a signed-in viewer."""

    http: httpx.AsyncClient

    async def get(self, path: str, parameters: Mapping[str, Any]) -> tuple[float, bytes]:
        """Seconds that the answer took, and its body."""
        began = time.perf_counter()
        response = await self.http.get(f"/api/v1{path}", params=parameters)
        elapsed = time.perf_counter() - began
        if response.status_code != 200:
            raise RuntimeError(f"{path} {dict(parameters)}: {response.status_code} {response.text}")
        return elapsed, response.content


@asynccontextmanager
async def query_client(store: Store) -> AsyncIterator[QueryClient]:
    """A client of the service over ``store``; nothing but its endpoints runs."""
    key = Ed25519PrivateKey.generate()
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = {"keys": [{**public, "kid": "bench", "alg": "EdDSA", "use": "sig"}]}
    auth = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=keys)))
    settings = Settings.model_validate(
        {"database_url": store.url, "database_password": store.servers.mariadb_password, "statement_timeout": 60}
    )
    app = create_app(settings, verifier=TokenVerifier("http://auth", http=auth))
    settle()  # as the service does
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "1", "jti": "bench", "typ": "access", "role": "VIEWER", "ver": 1,
        "name": "Bench", "iat": now, "exp": now + 86_400,
    }  # fmt: skip
    token = jwt.encode(claims, key, "EdDSA", headers={"kid": "bench"})
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://query", headers=headers, timeout=None) as http:
        yield QueryClient(http)
    await app.state.engine.dispose()
    await auth.aclose()
