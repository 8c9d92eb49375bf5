"""Who changed rules, silences and webhooks: one row for each change, in its transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import String, and_, cast, func, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts.dependencies import Actor
from telltale_alerts.schema import audit_log
from telltale_shared.instants import instant
from telltale_shared.system_events import now_us


async def record(
    connection: AsyncConnection, actor: Actor, action: str, target: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Add one row.

    Args:
        connection: in the transaction of the change.
        actor: who did it.
        action: what was done, as ``rule.created``.
        target: what it was done to, as a person names it.
        detail: what it is now; never a secret.
    """
    await connection.execute(
        insert(audit_log).values(
            at=instant(now_us()),
            actor_id=actor.id[:64],
            actor=actor.name,
            action=action,
            target=target[:254],
            detail=dict(detail or {}),
            request_id=actor.request_id,
        )
    )


async def page(connection: AsyncConnection, *, search: str, before_id: int | None, limit: int) -> tuple[list[Any], int]:
    """The newest rows with ids below ``before_id``, and how many there are, of those that have ``search`` in them."""
    # Cast, so that an ASCII column can be compared with any text.
    columns = (cast(audit_log.c[name], String) for name in ("actor", "action", "target"))
    wanted = or_(*(column.icontains(search, autoescape=True) for column in columns)) if search else true()
    total = (await connection.execute(select(func.count()).select_from(audit_log).where(wanted))).scalar_one()
    here = wanted if before_id is None else and_(wanted, audit_log.c.id < before_id)
    rows = await connection.execute(select(audit_log).where(here).order_by(audit_log.c.id.desc()).limit(limit))
    return list(rows), int(total)
