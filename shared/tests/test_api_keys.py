"""API keys in a service: exchanged once in a while, limited to their scopes, and refused once revoked."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm

from telltale_shared.contracts import Revocation
from telltale_shared.errors import install_problem_details
from telltale_shared.security import KEY_PREFIX, Ingest, Person, TokenVerifier, Viewer, api_keys

pytestmark = pytest.mark.anyio

GOOD, READER = KEY_PREFIX + "g" * 43, KEY_PREFIX + "r" * 43


class Auth:
    """Stands in for auth: knows two keys, and counts the exchanges."""

    def __init__(self) -> None:
        self._signer = Ed25519PrivateKey.generate()
        self.scopes = {GOOD: "read readings:write", READER: "read"}
        self.version = 1
        self.answers = True
        self.asked = 0
        self.delay = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/jwks.json":
            key = OKPAlgorithm.to_jwk(self._signer.public_key(), as_dict=True)
            return httpx.Response(200, json={"keys": [{**key, "kid": "k", "alg": "EdDSA"}]})
        self.asked += 1
        await asyncio.sleep(self.delay)
        if not self.answers:
            raise httpx.ConnectError("refused")
        scope = self.scopes.get(request.headers["authorization"].removeprefix("Bearer "))
        if scope is None:
            return httpx.Response(401, json={})
        return httpx.Response(200, json={"access_token": self.token(scope=scope), "expires_in": 300})

    def token(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "telltale-auth", "aud": "telltale", "sub": "7", "jti": "j", "sid": "k1", "typ": "key",
            "role": "USER", "ver": self.version, "name": "Ada", "iat": now, "exp": now + 300, **changes,
        }  # fmt: skip
        return jwt.encode(claims, self._signer, "EdDSA", headers={"kid": "k"})


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
async def http(auth: Auth, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_details(app)

    @app.get("/view")
    async def view(me: Viewer) -> str:
        return me.user_id

    @app.post("/ingest")
    async def ingest(me: Ingest) -> str:
        return me.user_id

    @app.get("/person")
    async def person(me: Person) -> str:
        return me.user_id

    async with httpx.AsyncClient(transport=httpx.MockTransport(auth)) as to_auth:
        app.state.verifier = TokenVerifier("http://auth", http=to_auth)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            client.app = app  # type: ignore[attr-defined]  # for the tests that look inside
            yield client


async def status(http: httpx.AsyncClient, key: str, method: str = "GET", path: str = "/view") -> int:
    return (await http.request(method, path, headers={"Authorization": f"Bearer {key}"})).status_code


async def test_key_does_what_its_scopes_say_and_auth_is_asked_once(auth: Auth, http: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert await status(http, GOOD) == 200
        assert await status(http, GOOD, "POST", "/ingest") == 200
        assert await status(http, GOOD, "GET", "/person") == 403
        assert await status(http, READER) == 200
        assert await status(http, READER, "POST", "/ingest") == 403
    assert auth.asked == 2


async def test_many_first_requests_ask_once(auth: Auth, http: httpx.AsyncClient) -> None:
    auth.delay = 0.05
    assert set(await asyncio.gather(*(status(http, GOOD) for _ in range(20)))) == {200}
    # Those that were let in together found nothing yet; the others found what these had brought.
    assert auth.asked <= api_keys.EXCHANGES_AT_ONCE


async def test_unknown_key_is_not_asked_about_again_and_again(
    auth: Auth, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = KEY_PREFIX + "u" * 43
    assert [await status(http, unknown) for _ in range(5)] == [401] * 5
    assert auth.asked == 1
    auth.scopes[unknown] = "read"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + api_keys.REFUSED_SECONDS + 1)
    assert await status(http, unknown) == 200


async def test_memory_of_keys_is_bounded(auth: Auth, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "CACHE_SIZE", 5)
    for number in range(12):
        assert await status(http, f"{KEY_PREFIX}{number:043}") == 401
    exchange = http.app.state.verifier._exchange  # type: ignore[attr-defined]  # set above
    assert len(exchange._tokens) == 5


async def test_revoked_key_is_refused_and_a_changed_owner_is_looked_up_again(
    auth: Auth, http: httpx.AsyncClient
) -> None:
    assert await status(http, GOOD) == 200
    revocations = http.app.state.verifier.revocations  # type: ignore[attr-defined]  # set above
    auth.version = 2
    revocations.add(Revocation(user_id="7", before_version=2, at=0))
    assert await status(http, GOOD) == 200, "the key itself was not revoked"
    assert auth.asked == 2
    revocations.add(Revocation(user_id="7", session_id="k1", at=0))
    assert await status(http, GOOD) == 401


async def test_while_auth_is_away_known_keys_go_on(auth: Auth, http: httpx.AsyncClient) -> None:
    assert await status(http, GOOD) == 200
    auth.answers = False
    assert await status(http, GOOD) == 200
    assert await status(http, READER) == 503


@pytest.mark.parametrize("key", [KEY_PREFIX, KEY_PREFIX + "x" * 42, KEY_PREFIX + "x" * 44, KEY_PREFIX + "é" * 43])
async def test_what_cannot_be_a_key_is_refused_without_asking(auth: Auth, http: httpx.AsyncClient, key: str) -> None:
    response = await http.get("/view", headers=[(b"Authorization", b"Bearer " + key.encode("latin-1"))])
    assert response.status_code == 401
    assert auth.asked == 0


async def test_token_of_a_key_does_not_pass_as_a_persons(auth: Auth, http: httpx.AsyncClient) -> None:
    assert await status(http, auth.token(scope="read"), "GET", "/person") == 401
    assert await status(http, auth.token(scope="read")) == 401, "it is for the service that exchanged it"
