"""Sending what waits for webhooks, again and again until it is taken, or given up."""

import asyncio
import random
import time
from datetime import datetime, timedelta

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts import metrics
from telltale_alerts.webhooks import repository
from telltale_alerts.webhooks.addresses import Forbidden, Unresolved, parse, resolve
from telltale_alerts.webhooks.repository import DELIVERED, FAILED, WAITING, Due
from telltale_alerts.webhooks.signing import DELIVERY_HEADER, SIGNATURE_HEADER, signature
from telltale_shared.database import in_transaction
from telltale_shared.emptying import Emptier
from telltale_shared.instants import instant
from telltale_shared.system_events import now_us

log = structlog.get_logger("telltale.webhooks")

AT_ONCE = 5
"""Deliveries to one webhook."""
NOTED_AT_ONCE = 4
"""Results written at the same time, so that connections to the database are left for others."""
TIMEOUT = 5.0
"""Seconds for the whole exchange."""
ATTEMPTS = 12
DELAY_FIRST, DELAY_LAST = 2.0, 1_800.0
"""Seconds between attempts, doubled each time with jitter: all of them take about an hour."""
PROBLEM_MAX = 300


def delay_after(attempts: int) -> float:
    """Seconds to wait after so many attempts, without the jitter."""
    return min(DELAY_FIRST * 2.0 ** (attempts - 1), DELAY_LAST)


class _Refused(Exception):
    """The receiver did not take it; the text says why."""


class Dispatcher(Emptier):
    """Sends what is due, to each webhook by a task of its own: none waits for another's receiver.

    A delivery that was sent, but not noted as such because of a crash, is sent once more. Receivers tell that by the
    delivery's id in ``X-Telltale-Delivery``.
    """

    def __init__(self, engine: AsyncEngine, http: httpx.AsyncClient, *, private: bool) -> None:
        super().__init__(holds="deliveries to webhooks")
        self._engine = engine
        self._http = http
        self._private = private
        self._tasks = asyncio.TaskGroup()
        self._served: set[int] = set()
        """The webhooks that a task sends to right now."""
        self._noting = asyncio.Semaphore(NOTED_AT_ONCE)

    async def run(self) -> None:
        """Send what is due until cancelled."""
        async with self._tasks:
            await super().run()

    async def _do_some(self) -> bool:
        async with self._engine.connect() as connection:
            found = await repository.webhooks_waiting(connection, instant(now_us()))
        for webhook_id in found - self._served:
            self._served.add(webhook_id)
            self._tasks.create_task(self._serve(webhook_id))
        return False

    async def _serve(self, webhook_id: int) -> None:
        try:
            while found := await self._due(webhook_id):
                attempts = await asyncio.gather(*map(self._attempt, found), return_exceptions=True)
                for failure in filter(None, attempts):
                    raise failure
        except (SQLAlchemyError, OSError) as error:
            log.warning("deliveries are late", webhook=webhook_id, error=str(error)[:200])
        finally:
            self._served.discard(webhook_id)

    async def _due(self, webhook_id: int) -> list[Due]:
        async with self._engine.connect() as connection:
            return await repository.due(connection, webhook_id, instant(now_us()), limit=AT_ONCE)

    async def _attempt(self, one: Due) -> None:
        attempts = one.attempts + 1
        problem = await self.send(one)
        now = instant(now_us())
        if problem is None:
            metrics.DELIVERIES.labels(DELIVERED).inc()
            await self._note(one, state=DELIVERED, attempts=attempts, ended_at=now, next_at=None, problem="")
        elif attempts >= ATTEMPTS:
            metrics.DELIVERIES.labels(FAILED).inc()
            log.warning("webhook given up", webhook=one.webhook_id, delivery=one.id, problem=problem)
            await self._note(one, state=FAILED, attempts=attempts, ended_at=now, next_at=None, problem=problem)
        else:
            metrics.DELIVERIES.labels(WAITING).inc()
            log.info("webhook not told yet", webhook=one.webhook_id, delivery=one.id, problem=problem)
            await self._note(one, attempts=attempts, next_at=_next(now, attempts), problem=problem)

    async def _note(self, one: Due, **values: object) -> None:
        async def work(connection: AsyncConnection) -> None:
            await repository.settle_delivery(connection, one.id, **values)

        async with self._noting:
            await in_transaction(self._engine, work)

    async def send(self, one: Due) -> str | None:
        """One attempt. Returns why the receiver did not take it, or None when it did."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._post(one)
        except TimeoutError:
            return f"no answer within {TIMEOUT:g} s"
        except (_Refused, Forbidden, Unresolved) as error:
            return str(error)[:PROBLEM_MAX]
        except httpx.HTTPError as error:
            # Its text may hold the address, which may hold a secret.
            return f"the connection failed ({type(error).__name__})"
        return None

    async def _post(self, one: Due) -> None:
        target = await resolve(parse(one.url), private=self._private)
        at = int(time.time())
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "Telltale-Alerts",
            DELIVERY_HEADER: str(one.id),
            SIGNATURE_HEADER: signature(one.secret, one.body, at),
        }
        request = self._http.build_request(
            "POST",
            target.pinned,
            content=one.body,
            headers=headers,
            # The certificate must be the name's, whatever address was connected to.
            extensions={"sni_hostname": target.url.host},
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        await response.aclose()  # what it says beside its status is not read
        if response.is_redirect:
            raise _Refused(f"the receiver redirects ({response.status_code}), which is not followed")
        if not response.is_success:
            raise _Refused(f"the receiver answered {response.status_code}")


def _next(now: datetime, attempts: int) -> datetime:
    return now + timedelta(seconds=delay_after(attempts) * random.uniform(0.8, 1.2))


def http_client() -> httpx.AsyncClient:
    """A client that goes where it is told: no proxy of the environment, no cookies kept, no redirects.

    It knows no limit of connections: for one it would wait while others hold theirs.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIMEOUT),
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=None),
    )
