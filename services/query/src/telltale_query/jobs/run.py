"""One attempt at one job: what a handler is given to work with."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.jobs.pace import Pace
from telltale_query.jobs.repository import LeaseLost, renew_lease, report_progress
from telltale_query.jobs.schemas import Claim, JobState
from telltale_shared.database import in_transaction

LEASE_SECONDS = 15.0
"""After which others go on with a job whose worker has died."""
REPORT_SECONDS = 0.5
"""Between two reports of progress that belong to no step."""
RATE_SECONDS = 3.0
"""Over which the rate is smoothed."""


class Cancelled(Exception):
    """Somebody wants the job to end. The handler has cleaned up by the time it lets this pass."""


class JobFailed(Exception):
    """The job cannot be done; the text tells a person why and what to do. Trying again would not help."""


class JobRun:
    """The running job, its engine, and how to report on it.

    A handler must be able to go on after whatever its predecessor has committed, and must commit its steps either with
    :meth:`progress` or with :meth:`hold` in the same transaction, so that an attempt that lost its lease commits
    nothing any more.
    """

    def __init__(self, engine: AsyncEngine, claim: Claim, pace: Pace | None = None) -> None:
        self.engine = engine
        self.job = claim
        self.pace = pace or Pace()
        self.phase = claim.phase
        self.rows_done = 0
        self.rows_total: int | None = None
        self._cancelled = claim.cancel_requested
        self._lost = False
        self._rate = Rate()
        self._reported_at = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants the job to end."""
        return self._cancelled

    async def checkpoint(self) -> None:
        """Let others run, and stop here when that is wanted.

        Raises:
            Cancelled: somebody wants the job to end.
            LeaseLost: somebody else works on it.
        """
        await asyncio.sleep(0)
        if self._lost:
            raise LeaseLost(self.job.id)
        if self._cancelled:
            raise Cancelled

    async def hold(self, connection: AsyncConnection) -> None:
        """Make sure that the transaction of ``connection`` commits only if the lease is still ours.

        Raises:
            LeaseLost: it is not.
        """
        self._cancelled |= await renew_lease(connection, self.job, lease_seconds=LEASE_SECONDS)

    async def renew(self) -> None:
        """Hold the lease for longer and look whether the job is still wanted.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        try:
            await in_transaction(self.engine, self.hold, attempts=2)
        except LeaseLost:
            self._lost = True
            raise

    async def progress(
        self,
        *,
        rows_done: int | None = None,
        rows_total: int | None = None,
        phase: str | None = None,
        connection: AsyncConnection | None = None,
    ) -> None:
        """Say how far the job is; what is not given stays as it was, but a new phase begins at nothing.

        Args:
            rows_done: of this phase.
            rows_total: of this phase, once it is known.
            phase: what is being done now.
            connection: writes it in this transaction, which then commits only if the lease is still ours. Without one
                it is written at most twice a second.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        begins = phase is not None and phase != self.phase
        if begins:
            self.phase, self.rows_done, self.rows_total = phase, 0, None
            self._rate = Rate()
        if rows_done is not None:
            self.rows_done = rows_done
        if rows_total is not None:
            self.rows_total = rows_total
        now = time.monotonic()
        self._rate.add(now, self.rows_done)
        if connection is not None:
            await self._report(connection)
        elif begins or now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            await in_transaction(self.engine, self._report)

    async def _report(self, connection: AsyncConnection) -> None:
        self._cancelled |= await report_progress(
            connection,
            self.job,
            phase=self.phase,
            rows_done=self.rows_done,
            rows_total=self.rows_total,
            rate=self._rate.value,
        )


class Rate:
    """Rows a second, smoothed."""

    def __init__(self) -> None:
        self.value: float | None = None
        self._last: tuple[float, int] | None = None

    def add(self, at: float, rows: int) -> None:
        """Note that there were ``rows`` altogether at ``at`` seconds."""
        if self._last is None or rows < self._last[1]:
            self._last = (at, rows)
            return
        elapsed = at - self._last[0]
        if elapsed < REPORT_SECONDS:
            return
        current = (rows - self._last[1]) / elapsed
        weight = min(1.0, elapsed / RATE_SECONDS)
        self.value = current if self.value is None else self.value + weight * (current - self.value)
        self._last = (at, rows)


Handler = Callable[[JobRun], Awaitable[Mapping[str, Any] | None]]
"""Does the work of one kind of job and returns what a person may want to know of it, as JSON.

It may be interrupted anywhere and is called again then: it goes on after what is committed.
"""

Ending = Callable[[AsyncConnection, Claim, JobState, str | None], Awaitable[None]]
"""Called in the transaction that ends a job as failed or cancelled, with the problem: what the job was for must say so,
too."""


@dataclass(frozen=True)
class Kind:
    """What is done for one kind of job."""

    handler: Handler
    heavy: bool = True
    """Whether it takes most of a core for long: one heavy job runs at a time, and light ones beside it."""
    on_end: Ending | None = None
