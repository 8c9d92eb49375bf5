"""What somebody who is not supposed to get in runs into."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import bcrypt
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from telltale_auth.app import BODY_LIMIT
from telltale_auth.demo import PASSWORD
from telltale_auth.passwords import WAITING_PER_THREAD
from telltale_auth.sessions.throttle import PAIR
from telltale_auth.settings import Settings
from telltale_shared.security import LEEWAY_SECONDS
from telltale_shared.testing import eventually

from .conftest import SEED, Api

pytestmark = pytest.mark.anyio

KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED))
OTHER_KEY = Ed25519PrivateKey.generate()


async def status_with(api: Api, token: str) -> int:
    response = await api.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"] == "Bearer"
    return response.status_code


async def genuine(api: Api) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token as it should be."""
    token = (await api.token("admin"))["access_token"]
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


async def test_token_signed_with_our_key_is_taken(api: Api) -> None:
    header, claims = await genuine(api)
    assert claims | {"sub": "", "jti": "", "sid": "", "iat": 0, "exp": 0} == {
        "iss": "telltale-auth",
        "aud": "telltale",
        "sub": "",
        "jti": "",
        "sid": "",
        "typ": "access",
        "role": "ADMIN",
        "ver": 1,
        "name": "Demo admin",
        "iat": 0,
        "exp": 0,
    }
    assert claims["exp"] - claims["iat"] == 300
    assert await status_with(api, jwt.encode(claims, KEY, "EdDSA", headers={"kid": header["kid"]})) == 200


async def test_published_key_is_named_by_its_thumbprint(api: Api) -> None:
    header, _ = await genuine(api)
    response = await api.http.get("/.well-known/jwks.json")
    (key,) = response.json()["keys"]
    assert key["kid"] == header["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037, appendix A.3"
    assert "d" not in key, "the private part"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"aud": ["another"]},
        {"iss": "somebody"},
        {"typ": "stream"},
        {"typ": "refresh"},
        {"role": "ROOT"},
        {"role": ["ADMIN"]},
        {"ver": 2},
        {"ver": "x"},
        {"sub": "999999"},
        {"sub": "x"},
        {"sub": "1e3"},
        {"sid": "t999999"},
        {"sid": "t"},
        {"sid": "x1"},
        {"sid": 7},
        {"iat": int(time.time()) + 3_600},
        {"exp": int(time.time()) - LEEWAY_SECONDS - 5},
        {"exp": "soon"},
        *({missing: None} for missing in ("exp", "iat", "iss", "aud", "sub", "jti", "sid", "typ", "role", "ver")),
    ],
)
async def test_claims_that_are_not_right(api: Api, change: dict[str, Any]) -> None:
    header, claims = await genuine(api)
    wrong = {name: value for name, value in {**claims, **change}.items() if value is not None}
    token = jwt.api_jws.encode(json.dumps(wrong).encode(), KEY, "EdDSA", headers={"kid": header["kid"], "typ": "JWT"})
    assert await status_with(api, token) == 401


async def test_signatures_that_are_not_right(api: Api) -> None:
    header, claims = await genuine(api)
    kid = {"kid": header["kid"]}
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    good = jwt.encode(claims, KEY, "EdDSA", headers=kid)
    head, body, signature = good.split(".")
    forged = {
        "alg none": jwt.encode(claims, "", "none", headers=kid),
        "alg none, signature kept": f"{jwt.encode(claims, '', 'none', headers=kid)}{signature}",
        "HS256 with the public key": jwt.encode(claims, public, "HS256", headers=kid),
        "another key under our name": jwt.encode(claims, OTHER_KEY, "EdDSA", headers=kid),
        "unknown key": jwt.encode(claims, OTHER_KEY, "EdDSA", headers={"kid": "mine"}),
        "unknown key name": jwt.encode(claims, KEY, "EdDSA", headers={"kid": "../../etc/passwd"}),
        "no key name": jwt.encode(claims, KEY, "EdDSA"),
        "a key of its own": jwt.encode(claims, OTHER_KEY, "EdDSA", headers={"jwk": {"kty": "OKP"}, **kid}),
        "critical extension": jwt.encode(claims, KEY, "EdDSA", headers={"crit": ["b64"], "b64": False, **kid}),
        "signature cut": f"{head}.{body}.{signature[:-2]}",
        "no signature": f"{head}.{body}.",
        "body changed": f"{head}.{body[:-4]}AAAA.{signature}",
    }
    for name, token in forged.items():
        assert await status_with(api, token) == 401, name


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "....", "e30.e30.e30", "x" * 20_000, "%00", "W10.W10.W10", "bnVsbA.e30.x"]
)
async def test_what_is_no_token(api: Api, token: str) -> None:
    assert await status_with(api, token) == 401


@pytest.mark.parametrize("header", ["Bearer", "Basic x", "Bearer ", "bearer\tx"])
async def test_authorization_that_is_no_bearer(api: Api, header: str) -> None:
    response = await api.http.get("/api/v1/auth/me", headers={"Authorization": header})
    assert response.status_code == 401


async def test_stream_token_opens_no_rest_interface(api: Api) -> None:
    response = await api.http.post("/api/v1/auth/stream-token", headers=await api.bearer("viewer"))
    body = response.json()
    assert body["expires_in"] == 30
    claims = jwt.decode(body["token"], KEY.public_key(), ["EdDSA"], audience="telltale")
    assert (claims["typ"], claims["exp"] - claims["iat"]) == ("stream", 30)
    assert await status_with(api, body["token"]) == 401


async def test_unknown_wrong_and_deactivated_look_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await api.bearer("admin")
    listed = await api.http.get("/api/v1/users", params={"q": "user@"}, headers=admin)
    user_id = listed.json()["items"][0]["id"]
    await api.http.patch(f"/api/v1/users/{user_id}", json={"is_active": False}, headers=admin)
    compared: Counter[str] = Counter()
    original = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        compared[hashed.decode()[:7]] += 1
        return original(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    attempts = [
        ("viewer@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("user@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("", PASSWORD + "x"),
    ]
    answers = []
    for email, password in attempts:
        for response in (
            await api.http.post("/api/v1/auth/token", data={"username": email, "password": password}),
            await api.http.post("/api/v1/auth/sessions", json={"email": email, "password": password}),
        ):
            body = {**response.json(), "request_id": ""}
            headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
            if response.status_code != 422:
                answers.append((response.status_code, body, headers))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert sum(compared.values()) == len(answers), "one comparison each, whether there is an account or not"
    assert len(compared) == 1, "at the same cost"


@pytest.mark.parametrize("email", ["viewer@example.com", "nobody@example.com"])
async def test_too_many_failures_for_one_account(api: Api, email: str) -> None:
    wrong = {"username": email.upper(), "password": "wrong password"}
    for _ in range(PAIR.free):
        assert (await api.http.post("/api/v1/auth/token", data=wrong)).status_code == 401
    response = await api.http.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD})
    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 2, "the delay grows from a second; there is no lock-out"
    await api.token("user")


async def test_odd_address_of_a_client_is_written_down_all_the_same(api: Api) -> None:
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False, client=("é" * 100, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth") as http:
        form = {"username": "user@example.com", "password": PASSWORD}
        assert (await http.post("/api/v1/auth/token", data=form)).status_code == 200
        body = {"email": "user@example.com", "password": PASSWORD}
        assert (await http.post("/api/v1/auth/sessions", json=body)).status_code == 201
    entries = await api.http.get("/api/v1/audit", params={"q": "session.started"}, headers=await api.bearer("admin"))
    assert entries.json()["items"][0]["address"] == "?" * 64


async def test_long_bodies_are_refused(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 1_000 + 2):
            yield b" " * 1_000

    whole = b" " * (BODY_LIMIT + 1)
    bodies: list[bytes | AsyncIterator[bytes]] = [whole, endless()]
    for body in bodies:
        response = await api.http.post(
            "/api/v1/auth/sessions", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"null", "application/json"),
        (b'{"email": 1, "password": {}}', "application/json"),
        (b'{"email": "a@b", "password": NaN}', "application/json"),
        (b'{"email": "a@b", "password": "\\ud800 is half of a pair"}', "application/json"),
        (b"[" * 10_000, "application/json"),
        (b"username=%ff%00&password=%ed%a0%80", "application/x-www-form-urlencoded"),
        (b"username=a&username=b&password=c", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (b"x", "text/plain"),
    ],
)
@pytest.mark.parametrize("path", ["token", "sessions", "register", "refresh", "logout"])
async def test_bodies_that_make_no_sense(api: Api, path: str, content: bytes, content_type: str) -> None:
    response = await api.http.post(f"/api/v1/auth/{path}", content=content, headers={"Content-Type": content_type})
    assert response.status_code in (400, 401, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_flood_of_sign_ins_is_bounded(api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = 100
    bound = settings.hash_threads * (1 + WAITING_PER_THREAD)
    release = threading.Event()
    comparing: list[bytes] = []

    def held(_: bytes, hashed: bytes) -> bool:
        comparing.append(hashed)
        release.wait(30)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", held)

    async def attempt(number: int) -> int:
        form = {"username": f"{number}@example.com", "password": "guess"}
        return (await api.http.post("/api/v1/auth/token", data=form)).status_code

    attempts = [asyncio.create_task(attempt(number)) for number in range(at_once)]
    try:
        await eventually(lambda: sum(task.done() for task in attempts) == at_once - bound, 20)
        assert {task.result() for task in attempts if task.done()} == {429}
        assert len(comparing) == settings.hash_threads
        assert (await api.http.get("/health/live")).status_code == 200
    finally:
        release.set()
    assert Counter(await asyncio.gather(*attempts)) == {429: at_once - bound, 401: bound}
