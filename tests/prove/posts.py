"""Readings posted to the product's generator, whose answer is a promise, too: the generator's own publisher at work."""

import asyncio
import random
import time
from contextlib import suppress
from datetime import UTC, datetime

import httpx
from tests.prove.lists import Delivery, Lists, Sent
from tests.prove.system import System

PERIOD = 0.25
READINGS = 20
CREATED = 201
INTERNAL_ERROR = 500


class Posts:
    """Posts readings of the source ``name`` again and again; those answered with 201 count as confirmed.

    An unanswered post is not sent again: its readings may have been taken or not.
    """

    def __init__(self, system: System, lists: Lists, *, name: str, seed: int) -> None:
        self.name = name
        self.paused = False
        self.confirmed = 0
        """Posts that were answered with 201."""
        self.failed = 0
        """Posts that the generator answered with a fault of its own, 500: no disturbance excuses that."""
        self._system = system
        self._lists = lists
        self._rng = random.Random(seed)
        self._number = 0
        self._observed_at = 0

    async def run(self, done: asyncio.Event) -> None:
        """Post until ``done``."""
        url = f"{self._system.url('generator')}/api/v1/readings"
        async with httpx.AsyncClient(timeout=20) as http:
            while not done.is_set():
                if not self.paused:
                    with suppress(httpx.HTTPError):
                        await self._post(http, url)
                await asyncio.sleep(PERIOD)

    async def _post(self, http: httpx.AsyncClient, url: str) -> None:
        token = await self._system.token()
        readings = tuple(self._reading() for _ in range(READINGS))
        delivery = Delivery(readings, b"")
        await self._lists.attempt([delivery])
        body = [
            {
                "source": self.name,
                "category": one.category,
                "unit": "u",
                "value": one.value,
                "observed_at": datetime.fromtimestamp(one.observed_at / 1e6, UTC).isoformat(),
            }
            for one in readings
        ]
        answer = await http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == CREATED:
            await self._lists.confirm([delivery])
            self.confirmed += 1
        self.failed += answer.status_code == INTERNAL_ERROR

    def _reading(self) -> Sent:
        self._number += 1
        # Whole milliseconds, which a double holds exactly enough to come back the same.
        self._observed_at = max(self._observed_at + 1_000, time.time_ns() // 1_000_000 * 1_000)
        return Sent(self._number, "posted", self._observed_at, self._rng.gauss(50, 5))
