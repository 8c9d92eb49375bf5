"""The tables ``webhooks`` and ``deliveries``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts.evaluation.rules import Severity
from telltale_alerts.schema import deliveries, webhooks
from telltale_shared.instants import instant

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that is told of new alerts."""

    id: int
    min_severity: Severity


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come."""

    id: int
    body: bytes
    attempts: int
    """That failed before."""
    webhook_id: int
    webhook: str
    url: str
    secret: str


async def receivers(connection: AsyncConnection) -> list[Receiver]:
    """The webhooks that are switched on."""
    rows = await connection.execute(select(webhooks.c.id, webhooks.c.min_severity).where(webhooks.c.enabled))
    return [Receiver(row.id, Severity(row.min_severity)) for row in rows]


def told_of(alert_id: int) -> Select[tuple[int]]:
    """The webhooks that were told of an alert, or are to be."""
    return select(deliveries.c.webhook_id).where(deliveries.c.alert_id == alert_id)


async def order_deliveries(
    connection: AsyncConnection,
    to: Sequence[Receiver],
    severity: Severity,
    alert_id: int,
    body: bytes,
    now: int,
    *,
    only_told: bool,
) -> None:
    """Have ``body`` sent to every receiver that wants it.

    Args:
        connection: in the transaction of what is told.
        to: the receivers there are.
        severity: of the alert.
        alert_id: which alert.
        body: what is sent, byte for byte, however often.
        now: µs since 1970-01-01 UTC.
        only_told: only to those that were told of the alert before.
    """
    wanted = {one.id for one in to if one.min_severity.includes(severity)}
    if only_told and to:
        told = await connection.execute(told_of(alert_id))
        wanted = {one.id for one in to} & set(told.scalars())
    for webhook_id in sorted(wanted):
        values = {"webhook_id": webhook_id, "alert_id": alert_id, "body": body, "state": WAITING, "attempts": 0}
        at = instant(now)
        await connection.execute(insert(deliveries).values({**values, "next_at": at, "created_at": at, "problem": ""}))


def waiting(now: datetime) -> Select[tuple[int]]:
    """The webhooks that are switched on and to which something is to be sent by ``now``."""
    its = (deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == WAITING, deliveries.c.next_at <= now)
    # With a limit it is looked up for each webhook; EXISTS is joined, and reads all that is due.
    one = select(deliveries.c.id).where(*its).limit(1).scalar_subquery()
    return select(webhooks.c.id).where(webhooks.c.enabled, one.is_not(None))


def due_to(webhook_id: int, now: datetime, limit: int) -> Select[Any]:
    """What is to be sent to a webhook by ``now``, oldest first; of one alert only the oldest."""
    older = deliveries.alias()
    is_first = ~exists().where(
        older.c.webhook_id == deliveries.c.webhook_id,
        older.c.alert_id == deliveries.c.alert_id,
        older.c.state == WAITING,
        older.c.id < deliveries.c.id,
    )
    return (
        select(
            deliveries.c.id,
            deliveries.c.body,
            deliveries.c.attempts,
            deliveries.c.webhook_id,
            webhooks.c.name,
            webhooks.c.url,
            webhooks.c.secret,
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(
            deliveries.c.webhook_id == webhook_id,
            deliveries.c.state == WAITING,
            deliveries.c.next_at <= now,
            webhooks.c.enabled,
            is_first,
        )
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
    )


async def webhooks_waiting(connection: AsyncConnection, now: datetime) -> set[int]:
    """The result of :func:`waiting`."""
    return {row.id for row in await connection.execute(waiting(now))}


async def due(connection: AsyncConnection, webhook_id: int, now: datetime, *, limit: int) -> list[Due]:
    """The result of :func:`due_to`."""
    return [Due(*row) for row in await connection.execute(due_to(webhook_id, now, limit))]


async def settle_delivery(connection: AsyncConnection, delivery_id: int, **values: Any) -> None:
    """Note what came of an attempt."""
    await connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


async def give_up(connection: AsyncConnection, webhook_id: int, at: datetime) -> None:
    """Send nothing of what waits for a webhook: it was switched off."""
    waiting = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.state == WAITING)
    values = {"state": FAILED, "ended_at": at, "next_at": None, "problem": "the webhook was switched off"}
    await connection.execute(update(deliveries).where(waiting).values(values))


async def all_webhooks(connection: AsyncConnection) -> list[Any]:
    """Every webhook, in the order of their making."""
    return list(await connection.execute(select(webhooks).order_by(webhooks.c.id)))


async def by_id(connection: AsyncConnection, webhook_id: int, *, lock: bool = False) -> Any | None:
    """One webhook, or None where there is none."""
    query = select(webhooks).where(webhooks.c.id == webhook_id)
    return (await connection.execute(query.with_for_update() if lock else query)).one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> int:
    """A new webhook; its id."""
    return int((await connection.execute(insert(webhooks).values(values))).lastrowid)


async def change(connection: AsyncConnection, webhook_id: int, values: dict[str, Any]) -> None:
    """Change a webhook."""
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))


async def remove(connection: AsyncConnection, webhook_id: int) -> None:
    """Delete a webhook with its deliveries."""
    await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


async def deliveries_of(
    connection: AsyncConnection, webhook_id: int, *, before_id: int | None, limit: int
) -> tuple[list[Any], int]:
    """The newest deliveries with ids below ``before_id``, and how many there are."""
    mine = deliveries.c.webhook_id == webhook_id
    total = (await connection.execute(select(func.count()).select_from(deliveries).where(mine))).scalar_one()
    here = mine if before_id is None else mine & (deliveries.c.id < before_id)
    rows = await connection.execute(select(deliveries).where(here).order_by(deliveries.c.id.desc()).limit(limit))
    return list(rows), int(total)
