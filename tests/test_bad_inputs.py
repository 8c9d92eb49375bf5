"""Bad inputs over every endpoint: nothing answers 5xx, memory stays flat, good requests go on.

TELLTALE_BAD_INPUTS says how many are sent; `make bad-inputs` sends 100,000 and prints what it measured.
"""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.bad_inputs import Attempt, BadInputs, Operation, operations_of, undescribed_operations
from tests.conftest import PASSWORD, Stack
from tests.raw_http import Connection

from telltale_shared.security.access import ACCESS

COUNT = int(os.environ.get("TELLTALE_BAD_INPUTS", "4000"))
AT_ONCE = 8
WARM_UP = 0.25
"""Share of the attempts after which caches and pools are as large as they get."""
GROWTH_MIB = 48.0
"""What a process may grow by after that; a leak of a kilobyte for each of 75,000 attempts is more."""
SERVICES = tuple(ACCESS)
ACCOUNTS = ("viewer", "user", "admin")
TOKEN_SECONDS, REVOKED_SECONDS = 120.0, 2.0
GOOD_SECONDS = 10.0
"""How late 99 of 100 good requests are at most, on a machine that is busy with bad ones and more."""
PATIENCE = 120.0
"""Seconds after which somebody who is to be served gives up: that is a failure on any machine."""


def operations(stack: Stack) -> list[Operation]:
    """Every operation of every service."""
    found = [one for service in ("ui", "gateway") for one in undescribed_operations(service)]
    for service in (one for one in SERVICES if one != "ui"):
        found += operations_of(service, httpx.get(f"{stack.url(service)}/openapi.json", timeout=30).json())
    return found


def memory(stack: Stack) -> dict[str, float]:
    """MiB in RAM of each service's process, as it says itself."""
    sizes = {}
    for service in SERVICES:
        told = httpx.get(f"{stack.url(service)}/metrics", timeout=60).text
        found = re.search(r"^process_resident_memory_bytes ([0-9.e+]+)", told, re.MULTILINE)
        assert found, service
        sizes[service] = float(found[1]) / 2**20
    return sizes


@dataclass
class Storm:
    """The attempts, and beside them somebody who only wants to work."""

    stack: Stack
    inputs: BadInputs
    tokens: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int | None] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    _signed_in_at: float = float("-inf")

    async def send(self, count: int) -> None:
        """Make so many attempts."""
        left = iter(range(count))
        await asyncio.gather(*(self._send_some(left) for _ in range(AT_ONCE)))

    async def _send_some(self, left: Iterator[int]) -> None:
        connections = {service: Connection(self.stack.port(service)) for service in SERVICES}
        try:
            for _ in left:  # one iterator that all take from
                await self._sign_in(after=TOKEN_SECONDS)
                attempt = self.inputs.next(self.tokens)
                await self._send_one(connections[attempt.service], attempt)
        finally:
            for one in connections.values():
                one.close()

    async def _send_one(self, connection: Connection, attempt: Attempt) -> None:
        answer = await connection.send(attempt.content, is_http=attempt.is_http)
        self.statuses[answer.status] += 1
        if answer.status == 401 and attempt.who:  # an attempt before has signed it out everywhere
            await self._sign_in(after=REVOKED_SECONDS)
        if (answer.status or 0) >= 500 or (answer.status is None and attempt.is_http):
            self.failures.append(f"{answer.status} from {attempt.service}: {attempt.what}")

    async def _sign_in(self, *, after: float) -> None:
        """New tokens for all, unless the ones there are not older than ``after`` seconds."""
        if time.monotonic() - self._signed_in_at < after:
            return
        self._signed_in_at = time.monotonic()
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            for account in ACCOUNTS:
                form = {"username": f"{account}@example.com", "password": PASSWORD}
                answer = await http.post(f"{self.stack.url('auth')}/api/v1/auth/token", data=form)
                self.tokens[account] = str(answer.raise_for_status().json()["access_token"])

    async def work_on(self, busy: asyncio.Event) -> None:
        """Ask good questions as somebody else until ``busy`` is cleared; each must be answered as ever."""
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            email, password = "steady@plant.local", "a steady hand on the tiller"
            auth = f"{self.stack.url('auth')}/api/v1/auth"
            registration = {"email": email, "password": password}
            (await http.post(f"{auth}/register", json=registration)).raise_for_status()
            begun = float("-inf")
            while busy.is_set():
                if time.monotonic() - begun > 120:
                    begun = time.monotonic()
                    form = {"username": email, "password": password}
                    token = (await http.post(f"{auth}/token", data=form)).raise_for_status().json()["access_token"]
                for url in (
                    f"{self.stack.url('query')}/api/v1/records?limit=20",
                    f"{self.stack.url('query')}/api/v1/analytics/summary",
                    f"{self.stack.url('generator')}/api/v1/generator",
                    f"{auth}/me",
                    f"{self.stack.url('ui')}/health/live",
                ):
                    at = time.monotonic()
                    response = await http.get(url, headers={"Authorization": f"Bearer {token}"})
                    self.waits.append(time.monotonic() - at)
                    assert response.status_code == 200, (url, response.status_code, response.text[:300])
                await asyncio.sleep(0.2)


async def weather(storm: Storm, count: int) -> dict[str, tuple[float, float]]:
    """Send ``count`` attempts while somebody works; memory of each process after the warm-up and at the end."""
    busy = asyncio.Event()
    busy.set()
    working = asyncio.create_task(storm.work_on(busy))
    await storm.send(int(count * WARM_UP))
    before = await asyncio.to_thread(memory, storm.stack)
    await storm.send(count - int(count * WARM_UP))
    after = await asyncio.to_thread(memory, storm.stack)
    busy.clear()
    await working
    return {name: (before[name], after[name]) for name in before}


@pytest.mark.timeout(3_600)
def test_bad_inputs_do_no_harm(stack: Stack) -> None:
    storm = Storm(stack, BadInputs(operations(stack), seed=4))
    begun = time.monotonic()
    sizes = asyncio.run(weather(storm, COUNT))
    waits = sorted(storm.waits)
    print(f"\n{COUNT:,} bad inputs in {time.monotonic() - begun:.0f} s; answers: {dict(storm.statuses.most_common())}")
    p99 = waits[int(len(waits) * 0.99)]
    print(f"good requests: {len(waits)}, p50 {waits[len(waits) // 2]:.3f} s, p99 {p99:.3f} s")
    for name, (before, after) in sizes.items():
        print(f"memory of {name:10} {before:6.1f} MiB after {WARM_UP:.0%}, {after:6.1f} MiB at the end")
    assert storm.failures == []
    assert p99 < GOOD_SECONDS
    assert all(after - before < GROWTH_MIB for before, after in sizes.values()), sizes
