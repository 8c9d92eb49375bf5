"""The table ``audit_log``: written inside the transaction of what it reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, String, and_, cast, func, insert, literal, or_, select
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


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which rows are wanted; what is empty or None excludes none."""

    search: str = ""
    """A part of actor, action, target or detail."""
    actor: str = ""
    """A part of the address of whoever did it."""
    target: str = ""
    """A part of the address of the account that it was done to."""
    action: str = ""
    """The beginning of the action's name, such as ``session``."""
    outcome: str | None = None
    start: datetime | None = None
    """From this instant on."""
    end: datetime | None = None
    """Before this instant."""

    def clause(self) -> ColumnElement[bool]:
        """The condition in SQL."""
        # Cast, so that an ASCII column can be compared with any text.
        text = {name: cast(audit_log.c[name], String) for name in ("actor", "action", "target", "detail")}
        parts = [audit_log.c.id > 0]
        if self.search:
            parts.append(or_(*(column.icontains(self.search, autoescape=True) for column in text.values())))
        if self.actor:
            parts.append(text["actor"].icontains(self.actor, autoescape=True))
        if self.target:
            parts.append(text["target"].icontains(self.target, autoescape=True))
        if self.action:
            parts.append(text["action"].istartswith(self.action, autoescape=True))
        if self.outcome is not None:
            parts.append(audit_log.c.outcome == self.outcome)
        if self.start is not None:
            parts.append(audit_log.c.at >= self.start)
        if self.end is not None:
            parts.append(audit_log.c.at < self.end)
        return and_(*parts)


async def page(
    connection: AsyncConnection, conditions: Conditions, *, before_id: int | None, limit: int
) -> tuple[list[Row[Any]], int]:
    """The newest wanted rows with ids below ``before_id``, and how many there are on all pages."""
    wanted = conditions.clause()
    total = (await connection.execute(select(func.count()).select_from(audit_log).where(wanted))).scalar_one()
    here = wanted if before_id is None else wanted & (audit_log.c.id < before_id)
    rows = await connection.execute(select(audit_log).where(here).order_by(audit_log.c.id.desc()).limit(limit))
    return list(rows), total
