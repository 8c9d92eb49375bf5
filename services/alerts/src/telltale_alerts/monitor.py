"""The one place where the stream and people meet: it evaluates, and keeps what came of it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts import keeping, metrics
from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rules import SECOND, Rule
from telltale_alerts.evaluation.state import Alert
from telltale_alerts.rules.repository import enabled_rules
from telltale_alerts.silences.repository import lasting_silences
from telltale_shared.broker import Link, Place, StreamEvent, follow
from telltale_shared.contracts import AnomalyDetected, Heartbeat, MalformedMessage, ReadingBatch, decode
from telltale_shared.database import DATABASE_ERRORS, in_transaction
from telltale_shared.errors import Unavailable
from telltale_shared.topology import LIVE_STREAM

log = structlog.get_logger("telltale.alerts")

KEEP_PERIOD = 1.0
"""Seconds between two times that the place in the stream is kept while no alert changes."""
RETRY_SECONDS = 2.0
ATTEMPT_SECONDS = 60.0
"""After which an attempt counts as failed: the server ends a statement earlier, so its link is silent."""
PATIENCE = 5.0
"""Seconds that a request waits for its turn."""
BOOKKEEPING = 1
"""Offsets without a message that the broker takes where a segment of the stream begins, to note its publishers."""
BEHIND = 15.0
"""Seconds that the stream's time may lag behind ours before nobody can tell what is silent."""


class Monitor:
    """Evaluates the live stream.

    State, place in the stream, history and what is to be told are written in one transaction: after a crash at any
    point the stream is read on from the last such place. After a change the next message is taken once that is
    committed. Without one the stream goes on while the database is away, so that nothing has to be made up for.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        link: Link,
        *,
        max_series: int,
        clock: Callable[[], int],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._link = link
        self._max_series = max_series
        self._clock = clock
        self._told = told
        self._lock = asyncio.Lock()
        self._evaluator = Evaluator()
        self._place: Place | None = None
        self._kept: Place | None = None
        self._kept_at = 0
        self._attempt: int | None = None
        """When the state was to be written that may or may not have been committed; it is settled first of all."""
        self._epoch = 0
        self._behind_database = ""
        """Who changed rules or silences in the database that the evaluator does not know of yet."""
        self._problem: str | None = "nothing read yet"

    @property
    def evaluator(self) -> Evaluator:
        """To look at."""
        return self._evaluator

    @property
    def problem(self) -> str | None:
        """Why nothing can be kept right now, or None."""
        return self._problem

    @property
    def behind(self) -> float | None:
        """Seconds that the stream's time lags behind ours; None before its first message."""
        return (self._clock() - self._evaluator.now) / SECOND if self._evaluator.now else None

    def doubt(self, rule: Rule | None = None) -> str:
        """Why a rule, or every rule, cannot tell what is the case; empty when it can."""
        if self._link.problem is not None:
            return f"no connection to the live stream ({self._link.problem})"
        if self._problem is not None:
            return self._problem
        if self.behind is None:
            return "nothing of the live stream has been seen yet"
        if self.behind > BEHIND:
            return f"the live stream is {self.behind:.0f} s behind"
        return self._evaluator.doubt(rule) if rule is not None else ""

    def figures(self) -> dict[str, float]:
        """Numbers for the status page."""
        alerts = self._evaluator.alerts.values()
        return {
            "series": float(len(self._evaluator.series)),
            "rules": float(len(self._evaluator.rules)),
            "alerts_open": float(len(alerts)),
            "alerts_firing": float(sum(alert.fired_at is not None for alert in alerts)),
            "behind_seconds": round(max(0.0, self.behind or 0.0), 3),
        }

    # --- the stream

    async def begin(self) -> None:
        """Take over, and read what was kept."""
        self._epoch = await in_transaction(self._engine, keeping.take_over)
        await self._read_kept()
        self._evaluator.begin(self._clock())
        self._problem = None
        metrics.watch(self)

    async def _read_kept(self) -> None:
        async def work(connection: AsyncConnection) -> keeping.Kept:
            return await keeping.read(connection, max_series=self._max_series)

        kept = await in_transaction(self._engine, work)
        self._evaluator, self._place, self._kept, self._kept_at = kept.evaluator, kept.place, kept.place, kept.at

    async def run(self) -> None:
        """Follow the stream until cancelled: behind the last message seen, or from now on."""
        await follow(self._link, LIVE_STREAM, self.take, start="next", after=self._place)

    async def take(self, event: StreamEvent) -> None:
        """Evaluate one message; a change is kept before the next message comes."""
        async with self._lock:
            if self._attempt is not None:
                await self._keep_at_last()
            if event.place == self._place:
                return  # evaluated already, when the connection was lost before that was told
            if self._place is not None and not 0 < event.offset - self._place.offset <= 1 + BOOKKEEPING:
                log.warning("messages of the live stream were lost", last=self._place.offset, next=event.offset)
                self._evaluator.gap()
            self._evaluate(event)
            self._place = event.place
            if self._evaluator.changes:
                await self._keep_at_last()

    def _evaluate(self, event: StreamEvent) -> None:
        try:
            message = decode(event.body)
        except MalformedMessage as error:
            metrics.MALFORMED.inc()
            log.info("message not understood", offset=event.offset, schema=event.schema, reason=str(error))
            return
        match message:
            case ReadingBatch():
                metrics.IGNORED.inc(self._evaluator.readings(message))
                metrics.READINGS.inc(message.count)
            case AnomalyDetected():
                self._evaluator.anomaly(message)
            case Heartbeat():
                self._evaluator.heartbeat(message)

    async def keep(self) -> None:
        """Keep the place in the stream every second until cancelled, so that little is read again after a crash."""
        while True:
            await asyncio.sleep(KEEP_PERIOD)
            async with self._lock:
                if self._attempt is not None:
                    await self._keep_at_last()
                if self._behind_database:
                    await self._catch_up()
                if self._evaluator.changes:
                    await self._keep_at_last()
                elif self._place != self._kept:
                    await self._try_to_keep()

    async def _keep_at_last(self) -> None:
        """Keep what there is, however long the database is away: the stream waits."""
        while True:
            if await self._try_to_keep():
                return
            await asyncio.sleep(random.uniform(RETRY_SECONDS / 2, RETRY_SECONDS))

    async def _try_to_keep(self) -> bool:
        """Keep what there is; whether the database took it."""
        try:
            await self._keep()
        except DATABASE_ERRORS as error:
            self._problem = f"the database does not take what was evaluated: {type(error).__name__}"
            log.warning("alerts held", error=str(error)[:300])
            return False
        return True

    async def _keep(self) -> None:
        now = max(self._clock(), self._kept_at + 1)
        writing = asyncio.ensure_future(self._write(now if self._attempt is None else self._attempt))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Whether it is committed must be known before anything else is evaluated.
            await asyncio.wait((writing,))
            if not writing.cancelled() and writing.exception() is not None:
                log.warning("alerts may not be kept", error=repr(writing.exception())[:300])
            raise

    async def _write(self, now: int) -> None:
        evaluator, place = self._evaluator, self._place

        async def work(connection: AsyncConnection) -> keeping.Written:
            after = self._kept_at
            written = await keeping.write(connection, evaluator, place, epoch=self._epoch, after=after, now=now)
            self._attempt = now  # until the answer to COMMIT has come
            return written

        changed = [change.state for change in evaluator.changes]
        async with asyncio.timeout(ATTEMPT_SECONDS):
            try:
                written = await in_transaction(self._engine, work)
            except keeping.AlreadyKept:
                await self._read_kept()
            else:
                written.apply([*(change.alert for change in evaluator.changes), *evaluator.touched_alerts])
                evaluator.kept()
                self._kept, self._kept_at = place, now
        self._attempt, self._problem = None, None
        for state in changed:
            metrics.CHANGES.labels(state).inc()
        if changed:
            self._told()

    # --- people

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Evaluator]:
        """The evaluator for a change by a person, which is kept at the end.

        Raises:
            Unavailable: the stream's own changes cannot be kept right now.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._lock.acquire()
        except TimeoutError as error:
            raise Unavailable(self._problem or "alerts are busy; try again in a moment") from error
        try:
            if self._attempt is not None:
                await self._keep()
            yield self._evaluator
            await self._keep()
        finally:
            self._lock.release()

    async def take_up_changes(self, *, by: str) -> None:
        """Rules or silences were changed in the database, by somebody: watch by them and keep to them.

        Raises:
            Unavailable: not right now, but as soon as that is possible.
        """
        self._behind_database = by
        async with self._turn():
            await self._read_database()

    async def _read_database(self) -> None:
        by, self._behind_database = self._behind_database, ""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS), self._engine.connect() as connection:
                rules = await enabled_rules(connection)
                silences = await lasting_silences(connection, self._clock())
        except DATABASE_ERRORS:
            self._behind_database = by
            raise
        self._evaluator.set_rules(rules)
        self._evaluator.set_silences(silences, by=by)

    async def _catch_up(self) -> None:
        try:
            await self._read_database()
        except DATABASE_ERRORS as error:
            log.warning("changed rules and silences are not watched by yet", error=str(error)[:200])

    async def acknowledge(self, alert_id: int, *, by: str, note: str) -> Alert | None:
        """Somebody looks after an alert. None: no such alert is open."""
        async with self._turn() as evaluator:
            alert = _open(evaluator, alert_id)
            if alert is not None and alert.fired_at is not None:
                evaluator.acknowledge(alert, by=by, note=note)
            return alert

    async def give_back(self, alert_id: int, *, by: str) -> Alert | None:
        """Nobody looks after an alert any more. None: no such alert is open."""
        async with self._turn() as evaluator:
            alert = _open(evaluator, alert_id)
            if alert is not None and alert.acknowledged_by:
                evaluator.give_back(alert, by=by)
            return alert

    async def forget_series(self, before: int) -> list[tuple[str, str]]:
        """Watch no more what has been silent since ``before``, µs since 1970-01-01 UTC. Returns what that was."""
        async with self._turn() as evaluator:
            return evaluator.forget(before)


def _open(evaluator: Evaluator, alert_id: int) -> Alert | None:
    return next((alert for alert in evaluator.alerts.values() if alert.id == alert_id), None)
