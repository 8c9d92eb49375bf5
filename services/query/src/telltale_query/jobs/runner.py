"""Taking jobs and doing them, for as long as the process lives.

There are two lanes: one job of a heavy kind at a time, and beside it one of a light kind, so that a short job never
waits for an import of hours. A job whose worker dies goes on elsewhere once its lease has run out, or at once when the
worker could still hand it back.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.jobs.metrics import ENDED, RUNNING
from telltale_query.jobs.pace import Pace
from telltale_query.jobs.repository import LeaseLost, claim_job, end_job, hand_back
from telltale_query.jobs.run import LEASE_SECONDS, Cancelled, JobFailed, JobRun, Kind
from telltale_query.jobs.schemas import Claim, JobState
from telltale_shared.database import DATABASE_ERRORS, in_transaction, may_pass

log = structlog.get_logger("telltale.jobs")

POLL_SECONDS = 0.5
RENEW_SECONDS = 4.0
"""Three renewals may fail before the lease runs out."""
ATTEMPTS = 10
RETRY_SECONDS, RETRY_LAST_SECONDS = 1.0, 60.0
"""Until the next attempt after a failure that may pass: doubled each time up to the last."""
HAND_BACK_SECONDS = 3.0


class Runner:
    """Works on jobs.

    Args:
        engine: of the database.
        kinds: what can be done.
        pace: how jobs give way to what comes in.
    """

    def __init__(self, engine: AsyncEngine, kinds: Mapping[str, Kind], pace: Pace | None = None) -> None:
        self._engine = engine
        self._pace = pace
        self._kinds = kinds
        self._heavy = [name for name, kind in kinds.items() if kind.heavy]
        self._light = [name for name, kind in kinds.items() if not kind.heavy]
        self._working: dict[int, str] = {}

    @property
    def figures(self) -> dict[str, float]:
        """For the heartbeat."""
        return {"jobs_running": float(len(self._working))}

    async def run(self) -> None:
        """Work until cancelled; then the jobs in hand are handed back."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._lane(heavy=True))
            lanes.create_task(self._lane(heavy=False))

    async def _lane(self, *, heavy: bool) -> None:
        while True:
            try:
                worked = await self.work_once(heavy=heavy)
            except DATABASE_ERRORS as error:
                if not may_pass(error):
                    raise
                log.warning("jobs cannot be looked at", error=str(error)[:200])
                worked = False
            if not worked:
                await asyncio.sleep(POLL_SECONDS)

    async def work_once(self, *, heavy: bool) -> bool:
        """Take one job, if there is one for this lane, and do it. Returns whether there was one."""
        owner = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(8)}"
        take = partial(
            claim_job,
            owner=owner,
            kinds=self._heavy if heavy else self._light,
            lease_seconds=LEASE_SECONDS,
            # Nobody should wait for a long job to end before his own, which he gave up, may end.
            any_cancelled=not heavy,
        )
        claim = await in_transaction(self._engine, take)
        if claim is None:
            return False
        with (
            structlog.contextvars.bound_contextvars(job=claim.id, kind=claim.kind, request_id=claim.actor.request_id),
            RUNNING.track_inprogress(),
        ):
            self._working[claim.id] = claim.kind
            try:
                await self._attempt(claim)
            finally:
                del self._working[claim.id]
        return True

    async def _attempt(self, claim: Claim) -> None:
        if claim.attempts > ATTEMPTS:
            problem = f"It was interrupted {ATTEMPTS} times and has been given up; the log says why."
            await self._end(claim, JobState.FAILED, problem=problem)
            return
        log.info("job begins", attempt=claim.attempts)
        run = JobRun(self._engine, claim, self._pace)
        try:
            result = await self._held(run)
        except asyncio.CancelledError:
            await self._let_go(claim)
            raise
        except LeaseLost:
            log.warning("job was taken over")
        except Cancelled:
            await self._end(claim, JobState.CANCELLED)
        except JobFailed as failure:
            await self._end(claim, JobState.FAILED, problem=str(failure))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its job, not the process
            await self._failed(claim, error)
        else:
            await self._end(claim, JobState.DONE, result=result)

    async def _held(self, run: JobRun) -> Mapping[str, Any] | None:
        """Run the handler while the lease is renewed; it is stopped when the lease is lost."""
        work = asyncio.ensure_future(self._kinds[run.job.kind].handler(run))
        renewing = asyncio.create_task(_renew(run))
        try:
            done, _ = await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if work not in done:
                renewing.result()  # raises LeaseLost
            return await work
        finally:
            for task in (work, renewing):
                task.cancel()
            await asyncio.wait({work, renewing})

    async def _failed(self, claim: Claim, error: Exception) -> None:
        if not may_pass(error):
            log.error("job failed", exc_info=error)
            problem = f"Something went wrong on our side. Quote job {claim.id} when you report it."
            await self._end(claim, JobState.FAILED, problem=problem)
            return
        delay = min(RETRY_LAST_SECONDS, RETRY_SECONDS * 2 ** (claim.attempts - 1))
        log.warning("job will be tried again", attempt=claim.attempts, seconds=delay, error=str(error)[:300])
        with suppress(LeaseLost):
            await in_transaction(self._engine, partial(hand_back, claim=claim, delay=delay, counted=True))

    async def _let_go(self, claim: Claim) -> None:
        log.info("job handed back")
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await in_transaction(self._engine, partial(hand_back, claim=claim))
        except (*DATABASE_ERRORS, LeaseLost) as error:
            log.warning("job not handed back: others go on when its lease has run out", error=str(error)[:200])

    async def _end(
        self,
        claim: Claim,
        state: JobState,
        *,
        result: Mapping[str, Any] | None = None,
        problem: str | None = None,
    ) -> None:
        on_end = self._kinds[claim.kind].on_end

        async def work(connection: AsyncConnection) -> None:
            await end_job(connection, claim, state, result=result, problem=problem)
            if state is not JobState.DONE and on_end is not None:
                await on_end(connection, claim, state, problem)

        try:
            await in_transaction(self._engine, work)
        except LeaseLost:
            log.warning("job was taken over at its end")
        else:
            ENDED.labels(claim.kind, state.value).inc()
            log.info("job ended", state=state.value, problem=problem)


async def _renew(run: JobRun) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await run.renew()
        except DATABASE_ERRORS as error:
            if not may_pass(error):
                raise
            log.warning("lease not renewed", error=str(error)[:200])
