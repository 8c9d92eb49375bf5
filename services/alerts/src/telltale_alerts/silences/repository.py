"""The table ``silences``. One that has ended stays for a while, as part of the history."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts.evaluation.rules import Silence
from telltale_alerts.schema import silences


async def lasting_silences(connection: AsyncConnection, now: int) -> list[Silence]:
    """Those that end after ``now``, µs since 1970-01-01 UTC."""
    rows = await connection.execute(select(silences).where(silences.c.ends_at > now).order_by(silences.c.id))
    return [
        Silence(row.id, row.ends_at, row.rule_id, frozenset(row.sources), frozenset(row.categories)) for row in rows
    ]


async def count_lasting(connection: AsyncConnection, now: int) -> int:
    """How many there are that end after ``now``."""
    query = select(func.count()).select_from(silences).where(silences.c.ends_at > now)
    return int((await connection.execute(query)).scalar_one())


async def page(
    connection: AsyncConnection, *, after: int | None, before_id: int | None, limit: int
) -> tuple[list[Any], int]:
    """The newest rows with ids below ``before_id``, and how many there are; only those that end after ``after``."""
    wanted = silences.c.id > 0 if after is None else silences.c.ends_at > after
    total = (await connection.execute(select(func.count()).select_from(silences).where(wanted))).scalar_one()
    here = wanted if before_id is None else wanted & (silences.c.id < before_id)
    rows = await connection.execute(select(silences).where(here).order_by(silences.c.id.desc()).limit(limit))
    return list(rows), int(total)


async def by_id(connection: AsyncConnection, silence_id: int) -> Any | None:
    """One row, or None where there is none."""
    return (await connection.execute(select(silences).where(silences.c.id == silence_id))).one_or_none()


async def add(
    connection: AsyncConnection,
    *,
    rule_id: int | None,
    sources: list[str],
    categories: list[str],
    ends_at: int,
    reason: str,
    by: str,
    at: datetime,
) -> int:
    """A new silence; its id."""
    values = {"rule_id": rule_id, "sources": sources, "categories": categories, "ends_at": ends_at, "reason": reason}
    added = await connection.execute(insert(silences).values({**values, "created_at": at, "created_by": by}))
    return int(added.lastrowid)


async def end(connection: AsyncConnection, silence_id: int, at: int) -> None:
    """Let a silence end at ``at``, µs since 1970-01-01 UTC."""
    await connection.execute(update(silences).where(silences.c.id == silence_id).values(ends_at=at))
