"""What may be done with silences."""

from datetime import UTC, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts import audit
from telltale_alerts.dependencies import Actor
from telltale_alerts.monitor import Monitor
from telltale_alerts.rules import repository as rules
from telltale_alerts.silences import repository
from telltale_alerts.silences.schemas import SilenceBody
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, FieldError, InvalidRequest, NotFound
from telltale_shared.instants import instant, microseconds
from telltale_shared.system_events import now_us

LONGEST = timedelta(days=30)
MAX_SILENCES = 500


class SilenceService:
    """Begins and ends silences, and has the monitor keep to them."""

    def __init__(self, engine: AsyncEngine, monitor: Monitor) -> None:
        self._engine = engine
        self._monitor = monitor

    async def begin(self, body: SilenceBody, actor: Actor) -> Any:
        """A new silence, which counts when this returns.

        Raises:
            InvalidRequest: it ends too late or has ended, or its rule does not exist.
            Conflict: there are too many.
        """
        now = now_us()
        ends_at = _end_of(body, now)
        rule_id = None if body.rule_id is None else int(body.rule_id)

        async def work(connection: AsyncConnection) -> Any:
            if rule_id is not None and await rules.by_id(connection, rule_id) is None:
                raise _wrong("rule_id", "there is no such rule")
            if await repository.count_lasting(connection, now) >= MAX_SILENCES:
                raise Conflict(f"there are {MAX_SILENCES} silences already; end one first")
            silence_id = await repository.add(
                connection,
                rule_id=rule_id,
                sources=body.sources,
                categories=body.categories,
                ends_at=ends_at,
                reason=body.reason,
                by=actor.name,
                at=instant(now),
            )
            await audit.record(connection, actor, "silence.begun", body.reason, body.model_dump(mode="json"))
            return await repository.by_id(connection, silence_id)

        row = await in_transaction(self._engine, work)
        await self._monitor.take_up_changes(by=actor.name)
        return row

    async def end(self, silence_id: int, actor: Actor) -> None:
        """Let a silence end now; one that has ended stays as it is.

        Raises:
            NotFound: there is none.
        """
        now = now_us()

        async def work(connection: AsyncConnection) -> None:
            row = await repository.by_id(connection, silence_id)
            if row is None:
                raise NotFound("there is no such silence")
            if row.ends_at > now:
                await repository.end(connection, silence_id, now)
                await audit.record(connection, actor, "silence.ended", row.reason)

        await in_transaction(self._engine, work)
        await self._monitor.take_up_changes(by=actor.name)


def _end_of(body: SilenceBody, now: int) -> int:
    try:
        ends_at = microseconds(body.ends_at.astimezone(UTC))
    except OverflowError as error:
        raise _wrong("ends_at", "lies outside of the years that there are") from error
    if ends_at <= now:
        raise _wrong("ends_at", "must be in the future")
    if ends_at > now + LONGEST // timedelta(microseconds=1):
        raise _wrong("ends_at", f"must be at most {LONGEST.days} days from now")
    return ends_at


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"check {field}", errors=[FieldError(field=field, message=message)])
