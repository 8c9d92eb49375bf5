"""Verifying tokens with published keys: what is accepted, what is not, and what happens while auth is away."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from telltale_shared.errors import install_problem_details
from telltale_shared.security import (
    Admin,
    InvalidToken,
    KeysUnavailable,
    Principal,
    Role,
    TokenVerifier,
    User,
    Viewer,
    tokens,
)

KEY_ID = "first"


class Auth:
    """Stands in for auth: publishes keys, counts who asks, and can be away."""

    def __init__(self) -> None:
        self.keys = {KEY_ID: Ed25519PrivateKey.generate()}
        self.answers = True
        self.body: Any = None
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url == "http://auth/.well-known/jwks.json"
        self.asked += 1
        if not self.answers:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=self.body if self.body is not None else self.key_set())

    def key_set(self) -> dict[str, Any]:
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "kid": name, "x": _base64url(_public(key)), "use": "sig"}
                for name, key in self.keys.items()
            ]
        }

    def token(self, *, key_id: str = KEY_ID, key: Ed25519PrivateKey | None = None, **changes: Any) -> str:
        return jwt.encode(claims(**changes), key or self.keys[key_id], "EdDSA", headers={"kid": key_id})


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "telltale-auth",
        "aud": "telltale",
        "sub": "7",
        "jti": "j",
        "typ": "access",
        "role": "USER",
        "ver": 3,
        "name": "Ada",
        "iat": now,
        "exp": now + 300,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
async def verifier(auth: Auth, anyio_backend: str) -> AsyncIterator[TokenVerifier]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(auth)) as http:
        yield TokenVerifier("http://auth", http=http)


@given(st.sampled_from(Role), st.sampled_from(Role), st.sampled_from(Role))
def test_roles_are_in_order(a: Role, b: Role, c: Role) -> None:
    assert a.includes(a)
    assert a.includes(b) or b.includes(a)
    assert not (a.includes(b) and b.includes(a)) or a is b
    assert a.includes(c) or not (a.includes(b) and b.includes(c))
    assert Role.ADMIN.includes(a)
    assert a.includes(Role.VIEWER)


@pytest.mark.anyio
async def test_good_token_says_who_it_is(auth: Auth, verifier: TokenVerifier) -> None:
    token = auth.token(exp=(expires := int(time.time()) + 60))
    expected = Principal("7", "Ada", Role.USER, "j", 3, expires)
    for _ in range(3):
        assert await verifier.verify(token) == expected
    assert auth.asked == 1
    assert await verifier.problem() is None


@pytest.mark.anyio
async def test_stream_and_access_tokens_are_not_interchangeable(auth: Auth, verifier: TokenVerifier) -> None:
    access, stream = auth.token(), auth.token(typ="stream")
    await verifier.verify(access)
    await verifier.verify(stream, kind="stream")
    for token, kind in ((access, "stream"), (stream, "access")):
        with pytest.raises(InvalidToken):
            await verifier.verify(token, kind=kind)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"iss": "another"},
        {"typ": "refresh"},
        {"role": "ROOT"},
        {"role": {}},
        {"ver": "x"},
        {"ver": []},
        {"exp": 0},
        {"exp": "x"},
        {"iat": int(time.time()) + 3_600},
        {"nbf": int(time.time()) + 3_600},
        {"sub": 7},
        *({name: None} for name in tokens.REQUIRED_CLAIMS),
    ],
)
async def test_wrong_claims(auth: Auth, verifier: TokenVerifier, change: dict[str, Any]) -> None:
    head = jwt.encode({}, auth.keys[KEY_ID], "EdDSA", headers={"kid": KEY_ID}).split(".")[0]
    signed = f"{head}.{_base64url(json.dumps(claims(**change)).encode())}"
    token = f"{signed}.{_base64url(auth.keys[KEY_ID].sign(signed.encode()))}"
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


@pytest.mark.anyio
async def test_expired_within_the_leeway_is_good_and_then_no_more(
    auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tokens.LEEWAY_SECONDS <= 30
    token = auth.token(exp=int(time.time()) - tokens.LEEWAY_SECONDS + 3)
    await verifier.verify(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 4)
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


@pytest.mark.anyio
async def test_forged_signatures(auth: Auth, verifier: TokenVerifier) -> None:
    public = _public(auth.keys[KEY_ID])
    head = _base64url(json.dumps({"alg": "HS256", "kid": KEY_ID}).encode())
    body = _base64url(json.dumps(claims()).encode())
    mac = _base64url(hmac.digest(public, f"{head}.{body}".encode(), hashlib.sha256))
    unsigned = _base64url(json.dumps({"alg": "none", "kid": KEY_ID}).encode())
    good = auth.token()
    forged = [
        f"{head}.{body}.{mac}",
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{good.split('.')[2]}",
        auth.token(key=Ed25519PrivateKey.generate()),
        f"{good}x",
        f"{good}.x",
        good[:-4],
    ]
    for token in forged:
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


@pytest.mark.anyio
@pytest.mark.parametrize("kid", [None, 1, "", [], {}, "x" * 5_000, "\ud800"])
async def test_odd_key_names(auth: Auth, verifier: TokenVerifier, kid: Any) -> None:
    head = _base64url(json.dumps({"alg": "EdDSA", "kid": kid}).encode())
    signed = f"{head}.{_base64url(json.dumps(claims()).encode())}"
    with pytest.raises(InvalidToken):
        await verifier.verify(f"{signed}.{_base64url(auth.keys[KEY_ID].sign(signed.encode()))}")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: f"{_base64url(data)}.e30.e30"))
def test_any_text_is_refused_without_surprise(text: str) -> None:
    async def attempt() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(Auth())) as http:
            with pytest.raises(InvalidToken):
                await TokenVerifier("http://auth", http=http).verify(text)

    asyncio.run(attempt())


@pytest.mark.anyio
async def test_new_key_is_fetched_but_unknown_ones_do_not_hammer_auth(
    auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(auth.token())
    auth.keys["second"] = Ed25519PrivateKey.generate()
    stranger = Ed25519PrivateKey.generate()
    for number in range(20):
        with pytest.raises(InvalidToken):
            await verifier.verify(auth.token(key=stranger, key_id=f"forged-{number}"))
    assert auth.asked == 1
    monkeypatch.setattr(tokens, "KEYS_MIN_AGE", 0.0)
    await verifier.verify(auth.token(key_id="second"))
    await verifier.verify(auth.token())
    assert auth.asked == 2


@pytest.mark.anyio
async def test_key_that_is_withdrawn_signs_no_more(
    auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = auth.keys[KEY_ID]
    await verifier.verify(auth.token())
    auth.keys = {"second": Ed25519PrivateKey.generate()}
    monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
    with pytest.raises(InvalidToken):
        await verifier.verify(auth.token(key=old, jti="later"))


@pytest.mark.anyio
async def test_cached_keys_outlive_auth(auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    await verifier.verify(auth.token())
    auth.answers = False
    monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
    await verifier.verify(auth.token(jti="another"))
    assert auth.asked == 2
    assert await verifier.problem() is None


@pytest.mark.anyio
@pytest.mark.parametrize("body", [None, [], {}, {"keys": []}, {"keys": [{}]}, {"keys": [{"kty": "OKP"}]}, "x"])
async def test_without_keys_nothing_is_verified_until_auth_comes(
    auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    auth.answers, auth.body = body is not None, body
    outcomes = await asyncio.gather(*(verifier.verify(auth.token()) for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {KeysUnavailable}
    assert auth.asked == 1, "the others do not stand in line for the timeout"
    assert "http://auth" in str(await verifier.problem())
    auth.answers, auth.body = True, None
    monkeypatch.setattr(tokens, "KEYS_RETRY_AGE", 0.0)
    await verifier.verify(auth.token())
    assert await verifier.problem() is None


@pytest.mark.anyio
async def test_memory_of_verified_tokens_is_bounded(
    auth: Auth, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 5)
    for number in range(12):
        await verifier.verify(auth.token(jti=str(number)))
    assert len(verifier._verified) == 5


@pytest.fixture
async def http(verifier: TokenVerifier) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_details(app)
    app.state.verifier = verifier

    @app.get("/viewer")
    async def viewer(me: Viewer) -> str:
        return me.name

    @app.get("/user")
    async def user(me: User) -> str:
        return me.name

    @app.get("/admin")
    async def admin(me: Admin) -> str:
        return me.name

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


@pytest.mark.anyio
@pytest.mark.parametrize("role", list(Role))
async def test_endpoints_let_in_whoever_has_the_role(auth: Auth, http: httpx.AsyncClient, role: Role) -> None:
    for needed in Role:
        response = await http.get(
            f"/{needed.lower()}", headers={"Authorization": f"Bearer {auth.token(role=role.value)}"}
        )
        if role.includes(needed):
            assert response.json() == "Ada"
        else:
            assert response.status_code == 403
            assert needed in response.json()["detail"]


@pytest.mark.anyio
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer x", "bearer a.b.c", "é"])
async def test_who_is_not_signed_in_gets_a_problem(http: httpx.AsyncClient, header: str | None) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]
    response = await http.get("/viewer", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.anyio
async def test_while_auth_is_away_the_answer_is_503(auth: Auth, http: httpx.AsyncClient) -> None:
    auth.answers = False
    response = await http.get("/viewer", headers={"Authorization": f"Bearer {auth.token()}"})
    assert response.status_code == 503
    assert "auth does not answer" in response.json()["detail"]
