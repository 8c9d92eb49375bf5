"""The table ``audit_log``: written inside the transaction of what it reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, cast, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import audit_log, users


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from."""

    actor_id: int | None = None
    """Account of whoever asked; None for somebody not signed in, and for the system itself."""
    address: str = ""
    request_id: str = ""


DONE, REFUSED = "done", "refused"

SYSTEM = Origin(address="local")
"""What the service or a command on its machine does by itself."""


async def record(
    connection: AsyncConnection,
    origin: Origin,
    action: str,
    *,
    at: datetime,
    target: str,
    detail: Mapping[str, Any] | None = None,
    outcome: str = DONE,
) -> None:
    """Add one row.

    Args:
        connection: with the transaction of the change.
        origin: who asked, from where.
        action: what was done, such as ``user.role_changed``.
        at: when, UTC.
        target: e-mail address of the account that it was done to.
        detail: what was before and after; never a secret.
        outcome: ``DONE`` or ``REFUSED``.
    """
    actor = (
        literal("")
        if origin.actor_id is None
        else func.coalesce(select(users.c.email).where(users.c.id == origin.actor_id).scalar_subquery(), "")
    )
    await connection.execute(
        insert(audit_log).values(
            at=at,
            actor_id=origin.actor_id,
            actor=actor,
            action=action,
            target=target,
            detail=dict(detail or {}),
            address=origin.address,
            request_id=origin.request_id,
            outcome=outcome,
        )
    )


async def page(
    connection: AsyncConnection, *, search: str, before_id: int | None, limit: int
) -> tuple[list[Row[Any]], int]:
    """The newest rows with ids below ``before_id`` that hold ``search``, and how many there are on all pages."""
    wanted = audit_log.c.id > 0
    if search:
        columns = (audit_log.c.actor, audit_log.c.action, audit_log.c.target, audit_log.c.detail)
        # Cast, so that an ASCII column can be compared with any text.
        wanted = or_(*(cast(column, String).icontains(search, autoescape=True) for column in columns))
    total = (await connection.execute(select(func.count()).select_from(audit_log).where(wanted))).scalar_one()
    here = wanted if before_id is None else wanted & (audit_log.c.id < before_id)
    rows = await connection.execute(select(audit_log).where(here).order_by(audit_log.c.id.desc()).limit(limit))
    return list(rows), total
