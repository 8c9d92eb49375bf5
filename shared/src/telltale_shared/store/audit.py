"""The audit trail: one row per change, written in the transaction of the change itself.

A change in many steps has one row, too. It is written when the change is ordered, brought up to date in every step's
own transaction, so that it is never wrong whatever dies in between, and gets its outcome in the last one.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
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


async def has_audit(connection: AsyncConnection, audit_id: int, actor: Actor) -> bool:
    """Whether there is a row ``audit_id`` that the same request of ``actor`` has written."""
    same = select(audit_log.c.id).where(
        audit_log.c.id == audit_id,
        audit_log.c.actor_id == actor.id[:64],
        audit_log.c.request_id.is_not_distinct_from(actor.request_id),
    )
    return (await connection.execute(same)).first() is not None


async def write_audit(
    connection: AsyncConnection,
    actor: Actor,
    action: str,
    target: str,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    outcome: str = "done",
) -> int:
    """Add one row to the audit trail. Returns its id.

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
    added = await connection.execute(
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
    return int(added.lastrowid)


async def update_audit(connection: AsyncConnection, audit_id: int, *, after: Facts, outcome: str) -> None:
    """Say in the row of a change in many steps how far it is.

    Args:
        connection: in the transaction of a step.
        audit_id: which row.
        after: what there is now.
        outcome: ``begun`` until the last step; then ``done``, or a word for what happened instead.
    """
    await connection.execute(
        update(audit_log).where(audit_log.c.id == audit_id).values(after=dict(after), outcome=outcome)
    )


async def read_audit_after(connection: AsyncConnection, audit_id: int) -> dict[str, Any]:
    """What the row of a change in many steps says of how far it is."""
    after = (await connection.execute(select(audit_log.c.after).where(audit_log.c.id == audit_id))).scalar()
    found: dict[str, Any] = json.loads(after) if isinstance(after, str | bytes) else after or {}
    return found
