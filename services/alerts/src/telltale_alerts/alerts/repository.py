"""Reading the tables ``alerts`` and ``history``, which the evaluation writes."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts.alerts.schemas import AlertQuery
from telltale_alerts.schema import alerts, history

COUNTED_SINGLY = 10_000
HISTORY_SHOWN = 500


def _wanted(query: AlertQuery) -> ColumnElement[bool]:
    parts = [alerts.c.id > 0]
    if query.state:
        parts.append(alerts.c.state.in_(query.state))
    if query.severity:
        parts.append(alerts.c.severity.in_(query.severity))
    if query.rule_id is not None:
        parts.append(alerts.c.rule_id == query.rule_id)
    if query.source is not None:
        parts.append(alerts.c.source == query.source)
    if query.category is not None:
        parts.append(alerts.c.category == query.category)
    return and_(*parts)


async def page(connection: AsyncConnection, query: AlertQuery, *, before_id: int | None) -> tuple[list[Any], int, bool]:
    """The newest wanted alerts with ids below ``before_id``, how many there are on all pages, and whether exactly."""
    wanted = _wanted(query)
    some = select(alerts.c.id).where(wanted).limit(COUNTED_SINGLY + 1).subquery()
    total = int((await connection.execute(select(func.count()).select_from(some))).scalar_one())
    here = wanted if before_id is None else wanted & (alerts.c.id < before_id)
    rows = await connection.execute(select(alerts).where(here).order_by(alerts.c.id.desc()).limit(query.limit + 1))
    return list(rows), min(total, COUNTED_SINGLY), total <= COUNTED_SINGLY


async def by_id(connection: AsyncConnection, alert_id: int) -> Any | None:
    """One alert, or None where there is none."""
    return (await connection.execute(select(alerts).where(alerts.c.id == alert_id))).one_or_none()


async def history_of(connection: AsyncConnection, alert_id: int) -> list[Any]:
    """What became of an alert, oldest first."""
    mine = select(history).where(history.c.alert_id == alert_id)
    newest = list(await connection.execute(mine.order_by(history.c.id.desc()).limit(HISTORY_SHOWN)))
    return newest[::-1]
