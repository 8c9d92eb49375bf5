"""The audit trail: one row per change, written in the transaction of the change itself."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant
from telltale_shared.store.schema import audit_log

Facts = Mapping[str, str | float | int | bool | None]
"""What a thing was or became, by field."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and with which request."""

    id: str
    name: str
    request_id: str | None = None


async def write_audit(
    connection: AsyncConnection,
    actor: Actor,
    action: str,
    target: str,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    outcome: str = "done",
) -> None:
    """Add one row to the audit trail.

    Args:
        connection: in the transaction of the change, so that neither exists without the other.
        actor: who did it.
        action: what was done, as ``record.edit``.
        target: what it was done to, as a person names it.
        before: the fields that the change touches, as they were; None where nothing was there.
        after: the same fields as they are now; None where nothing is left.
        outcome: ``done``, or a word for what happened instead.
    """
    facts = {name: dict(value) for name, value in (("before", before), ("after", after)) if value is not None}
    await connection.execute(
        insert(audit_log).values(
            at=instant(time.time_ns() // 1_000),
            actor_id=actor.id[:64],
            actor_name=actor.name[:100],
            action=action,
            target=target[:255],
            outcome=outcome,
            request_id=actor.request_id,
            **facts,
        )
    )
