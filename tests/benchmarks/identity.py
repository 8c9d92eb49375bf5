"""What identity costs, and how soon a lost right is lost: tokens, sign-ins, revocations.

Verification is measured in this process. Sign-ins and revocations are measured on a whole stack of its own: the rate
of sign-ins beside that of bcrypt alone at the same cost and with as many threads; how soon `/health/live` answers
under a flood of sign-ins; and the time from a role's change to the first refusal in every service, and to the close
of an open WebSocket.

Usage: python tests/benchmarks/identity.py [--seconds 10] [--rounds 40] [--sockets 20] [--tokens-only]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from liveness import watch
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from telltale_shared.security import ALGORITHM, AUDIENCE, ISSUER, LEEWAY_SECONDS, REQUIRED_CLAIMS, TokenVerifier

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / ".run/bench-identity"
STACK = (sys.executable, str(ROOT / "deploy/native/stack.py"))
OPTIONS = ("--run-dir", str(RUN), "--port-offset", "auto", "--env-file", "/dev/null")
PORTS = {"query": 8000, "auth": 8001, "gateway": 8002, "generator": 8003}
COST = 12
HASH_THREADS = 2
CLIENTS = 12
STRANGERS = 200
DEMO = "Password123!"
PHRASE = "a pass phrase of the bench"


def quantile(values: list[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- tokens, in this process


def _claims(number: int) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER, "aud": AUDIENCE, "sub": str(number), "jti": f"{number:032}", "sid": f"s{number}",
        "typ": "access", "role": "USER", "ver": 1, "name": "Ada Lovelace", "iat": now, "exp": now + 300,
    }  # fmt: skip


async def measure_tokens(seconds: float) -> None:
    """Print how many tokens a second are verified: by PyJWT alone, new ones, and ones seen before."""
    key = Ed25519PrivateKey.generate()
    jwk = {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "bench", "alg": ALGORITHM}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"keys": [jwk]}))
    tokens = [jwt.encode(_claims(n), key, ALGORITHM, headers={"kid": "bench"}) for n in range(2_000)]
    public = key.public_key()
    rates: dict[str, list[float]] = {"PyJWT alone": [], "new": [], "seen": []}
    async with httpx.AsyncClient(transport=transport) as http:
        for _ in range(5):
            begun = time.perf_counter()
            for token in tokens:
                jwt.decode(
                    token, public, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY_SECONDS,
                    options={"require": REQUIRED_CLAIMS},
                )  # fmt: skip
            rates["PyJWT alone"].append(len(tokens) / (time.perf_counter() - begun))
            verifier = TokenVerifier("http://auth", http=http)
            await verifier.problem()
            begun = time.perf_counter()
            for token in tokens:
                await verifier.authenticate(token)
            rates["new"].append(len(tokens) / (time.perf_counter() - begun))
            count, begun = 0, time.perf_counter()
            while time.perf_counter() - begun < seconds / 10:
                for token in tokens:
                    await verifier.authenticate(token)
                count += len(tokens)
            rates["seen"].append(count / (time.perf_counter() - begun))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"tokens verified, {name:12} {rate:12,.0f}/s")
    print(f"new tokens beside PyJWT alone: {medians['new'] / medians['PyJWT alone']:.2f} (target: at least 0.80)")
    print(f"seen tokens: {medians['seen']:,.0f}/s (target: at least 50,000/s)")


# --- sign-ins


def raw_hash_rate(seconds: float) -> float:
    """Hashes a second of bcrypt alone, with as many threads as auth has."""
    salt, end = bcrypt.gensalt(COST), time.monotonic() + seconds

    def work(_: int) -> int:
        done = 0
        while time.monotonic() < end:
            bcrypt.hashpw(b"x" * 44, salt)
            done += 1
        return done

    begun = time.monotonic()
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return sum(pool.map(work, range(HASH_THREADS))) / (time.monotonic() - begun)


@dataclass
class Bench:
    """A running stack and its clients."""

    http: httpx.AsyncClient
    offset: int
    accounts: list[str] = field(default_factory=list)

    def url(self, service: str, path: str = "") -> str:
        """The address of a service."""
        return f"http://127.0.0.1:{PORTS[service] + self.offset}{path}"

    async def register(self) -> None:
        """One account for each client, so that nobody is throttled."""
        for number in range(CLIENTS):
            email = f"bench-{number}@plant.local"
            body = {"email": email, "password": PHRASE}
            (await self.http.post(self.url("auth", "/api/v1/auth/register"), json=body)).raise_for_status()
            self.accounts.append(email)

    async def sign_in(self, email: str, password: str = PHRASE) -> dict[str, Any]:
        """An access token and a refresh token."""
        form = {"username": email, "password": password}
        response = await self.http.post(self.url("auth", "/api/v1/auth/token"), data=form)
        body: dict[str, Any] = response.raise_for_status().json()
        return body

    async def sign_in_until(self, email: str, end: float) -> int:
        """Sign in again and again; how often."""
        done = 0
        while time.monotonic() < end:
            await self.sign_in(email)
            done += 1
        return done


async def measure_sign_ins(bench: Bench, seconds: float) -> None:
    """Print the rate of sign-ins beside bcrypt's own, taken before and after."""
    before = await asyncio.to_thread(raw_hash_rate, seconds / 2)
    begun = time.monotonic()
    done = await asyncio.gather(*(bench.sign_in_until(email, begun + seconds) for email in bench.accounts))
    rate = sum(done) / (time.monotonic() - begun)
    after = await asyncio.to_thread(raw_hash_rate, seconds / 2)
    raw = (before + after) / 2
    print(f"sign-ins: {rate:.2f}/s, bcrypt alone {raw:.2f}/s ({before:.2f} before, {after:.2f} after)")
    print(f"ratio:    {rate / raw:.2f} (target: at least 0.90)")


async def measure_flood(bench: Bench, seconds: float) -> None:
    """Print how soon ``/health/live`` answers while strangers and account holders sign in as fast as they can."""
    end = time.monotonic() + seconds
    answers: dict[int, int] = {}

    async def stranger(number: int) -> None:
        turn = 0
        while time.monotonic() < end:
            form = {"username": f"{number}-{turn}@nowhere.local", "password": "guess"}
            status = (await bench.http.post(bench.url("auth", "/api/v1/auth/token"), data=form)).status_code
            answers[status] = answers.get(status, 0) + 1
            turn += 1

    async def holder(email: str) -> None:
        while time.monotonic() < end:
            form = {"username": email, "password": PHRASE}
            status = (await bench.http.post(bench.url("auth", "/api/v1/auth/token"), data=form)).status_code
            answers[status] = answers.get(status, 0) + 1

    flood = [stranger(number) for number in range(STRANGERS)] + [holder(email) for email in bench.accounts]
    watching = asyncio.create_task(watch("127.0.0.1", PORTS["auth"] + bench.offset, seconds))
    await asyncio.gather(*flood)
    waits = await watching
    print(f"flood: {answers} answers in {seconds:g} s")
    print(
        f"/health/live meanwhile: p50 {quantile(waits, 0.5) * 1e3:.1f} ms, p99 {quantile(waits, 0.99) * 1e3:.1f} ms,"
        f" worst {max(waits) * 1e3:.0f} ms of {len(waits)} (target: p99 at most 100 ms)"
    )


# --- revocations


async def _open_socket(bench: Bench, token: str) -> ClientConnection:
    bearer = {"Authorization": f"Bearer {token}"}
    stream = (await bench.http.post(bench.url("auth", "/api/v1/auth/stream-token"), headers=bearer)).json()["token"]
    socket = await connect(bench.url("gateway", "/api/v1/stream").replace("http", "ws", 1))
    await socket.send(json.dumps({"type": "authenticate", "token": stream}))
    await socket.send(json.dumps({"type": "subscribe"}))
    while json.loads(await socket.recv())["type"] != "subscribed":
        pass
    return socket


async def _closed(socket: ClientConnection, begun: float) -> float:
    await socket.wait_closed()
    assert socket.close_code == 4403, socket.close_code
    return time.monotonic() - begun


async def _refused(bench: Bench, service: str, path: str, token: str, begun: float) -> float:
    while True:
        response = await bench.http.get(bench.url(service, path), headers={"Authorization": f"Bearer {token}"})
        if response.status_code in (401, 403):
            return time.monotonic() - begun
        response.raise_for_status()
        await asyncio.sleep(0.005)


async def measure_revocations(bench: Bench, rounds: int, sockets: int) -> None:
    """Print the time from asking for a role's change to its effect everywhere."""
    email = bench.accounts[0]
    admin = {"Authorization": f"Bearer {(await bench.sign_in('admin@example.com', DEMO))['access_token']}"}
    listed = await bench.http.get(bench.url("auth", "/api/v1/users"), params={"q": email}, headers=admin)
    user = bench.url("auth", f"/api/v1/users/{listed.json()['items'][0]['id']}")
    seen: dict[str, list[float]] = {"query": [], "generator": [], "sockets": []}
    for turn in range(rounds):
        token = (await bench.sign_in(email))["access_token"]
        opened = [await _open_socket(bench, token) for _ in range(sockets)]
        readers = [asyncio.create_task(_drain(socket)) for socket in opened]
        begun = time.monotonic()
        watching = asyncio.gather(
            _refused(bench, "query", "/api/v1/series?limit=1", token, begun),
            _refused(bench, "generator", "/api/v1/generator", token, begun),
            *(_closed(socket, begun) for socket in opened),
        )
        body = {"role": ("USER", "VIEWER")[turn % 2]}
        (await bench.http.patch(user, json=body, headers=admin)).raise_for_status()
        query, generator, *closes = await watching
        await asyncio.gather(*readers)
        seen["query"].append(query)
        seen["generator"].append(generator)
        seen["sockets"] += closes
        if turn % 15 == 14:
            admin = {"Authorization": f"Bearer {(await bench.sign_in('admin@example.com', DEMO))['access_token']}"}
    for name, times in seen.items():
        print(
            f"revoked in {name:10} p50 {quantile(times, 0.5) * 1e3:4.0f} ms, p99 {quantile(times, 0.99) * 1e3:4.0f} ms,"
            f" worst {max(times) * 1e3:.0f} ms of {len(times)} (target: p99 at most 1,000 ms)"
        )


async def _drain(socket: ClientConnection) -> None:
    with suppress(ConnectionClosedError):
        async for _ in socket:
            pass


async def measure_stack(seconds: float, rounds: int, sockets: int) -> None:
    """Measure what needs running services."""
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=STRANGERS + CLIENTS + 50)) as http:
        bench = Bench(http, int((RUN / "port-offset").read_text()))
        await bench.register()
        await measure_sign_ins(bench, seconds)
        await measure_revocations(bench, rounds, sockets)
        await measure_flood(bench, seconds)  # last: it leaves this address slowed down


def main() -> None:
    """Parse the arguments, measure, stop what was started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sockets", type=int, default=20)
    parser.add_argument("--tokens-only", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(measure_tokens(arguments.seconds))
    if arguments.tokens_only:
        return
    environment = {**os.environ, "DEMO_ACCOUNTS": "true"}
    subprocess.run([*STACK, "down", *OPTIONS], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(RUN)], check=True)
    try:
        subprocess.run(
            [*STACK, "up", "--group", "dev", *OPTIONS], check=True, env=environment, stdout=subprocess.DEVNULL
        )
        asyncio.run(measure_stack(arguments.seconds, arguments.rounds, arguments.sockets))
    finally:
        subprocess.run([*STACK, "down", *OPTIONS], check=True, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
