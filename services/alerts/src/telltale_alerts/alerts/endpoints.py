"""``/alerts``."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from telltale_alerts.alerts import repository
from telltale_alerts.alerts.schemas import (
    Acknowledgement,
    AlertDetail,
    AlertQuery,
    AlertStatus,
    AlertView,
    HistoryEntry,
)
from telltale_alerts.dependencies import Database, Id, TheMonitor, actor_of
from telltale_alerts.evaluation.state import Alert, State
from telltale_alerts.names import outside, outside_or_none
from telltale_alerts.paging import before, cut
from telltale_shared.errors import Conflict, NotFound, ProblemDetails
from telltale_shared.lists import Page
from telltale_shared.security import User, Viewer

router = APIRouter(prefix="/alerts", tags=["alerts"])

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDetails, "description": "There is no such alert."}}
_NOT_FIRING: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: {"model": ProblemDetails, "description": "It does not fire."},
}


def _fields(row: Any) -> dict[str, Any]:
    return {
        **{
            name: getattr(row, name)
            for name in ("rule_name", "kind", "severity", "source", "category", "unit", "state", "value", "explanation")
        },
        "id": str(row.id),
        "rule_id": str(row.rule_id),
        "since": outside(row.since),
        "fired_at": outside_or_none(row.fired_at),
        "resolved_at": outside_or_none(row.resolved_at),
        "acknowledged_by": row.acknowledged_by or None,
        "silenced_until": outside_or_none(row.silenced_until),
    }


@router.get("", summary="Alerts, newest first")
async def list_alerts(_: Viewer, database: Database, query: Annotated[AlertQuery, Query()]) -> Page[AlertView]:
    """Those that fire now have the states ``firing``, ``acknowledged`` and ``silenced``."""
    async with database.connect() as connection:
        rows, total, exact = await repository.page(connection, query, before_id=before(query.cursor))
    return cut([AlertView(**_fields(row)) for row in rows], query.limit, total, exact=exact)


@router.get("/status", summary="What fires, and whether that can be relied upon")
async def read_status(_: Viewer, monitor: TheMonitor) -> AlertStatus:
    evaluator = monitor.evaluator
    states = Counter(alert.state for alert in evaluator.alerts.values())
    doubts = [doubt for doubt in [monitor.doubt()] if doubt]
    if not doubts:
        doubts = [f"{rule.name}: {doubt}" for rule in evaluator.rules.values() if (doubt := monitor.doubt(rule))]
    return AlertStatus(
        pending=states[State.PENDING],
        firing=states[State.FIRING],
        acknowledged=states[State.ACKNOWLEDGED],
        silenced=states[State.SILENCED],
        behind_seconds=None if monitor.behind is None else round(max(0.0, monitor.behind), 3),
        cannot_tell=doubts,
    )


@router.get("/{id}", summary="One alert with its history", responses=_NOT_FOUND)
async def get_alert(id: Id, _: Viewer, database: Database) -> AlertDetail:  # noqa: A002 - as in the path
    async with database.connect() as connection:
        row = await repository.by_id(connection, id)
        entries = await repository.history_of(connection, id)
    if row is None:
        raise _no_such_alert()
    shown = [
        HistoryEntry(
            at=outside(entry.at),
            recorded_at=entry.recorded_at,
            state=entry.state,
            value=entry.value,
            explanation=entry.explanation,
            by=entry.by_whom or None,
            note=entry.note or None,
        )
        for entry in entries
    ]
    return AlertDetail(**_fields(row), history=shown)


@router.post("/{id}/acknowledgement", summary="Say that somebody looks after it", responses=_NOT_FIRING)
async def acknowledge(
    id: Id,  # noqa: A002 - as in the path
    body: Acknowledgement,
    principal: User,
    monitor: TheMonitor,
    database: Database,
    request: Request,
) -> AlertView:
    """Nobody is told again of an alert that somebody looks after, until it is resolved."""
    actor = actor_of(principal, request)
    alert = await monitor.acknowledge(id, by=actor.name, note=body.note)
    return AlertView(**_fields(await _firing(alert, id, database)))


@router.delete("/{id}/acknowledgement", summary="Take that back", responses=_NOT_FIRING)
async def give_back(
    id: Id,  # noqa: A002 - as in the path
    principal: User,
    monitor: TheMonitor,
    database: Database,
    request: Request,
) -> AlertView:
    alert = await monitor.give_back(id, by=actor_of(principal, request).name)
    return AlertView(**_fields(await _firing(alert, id, database)))


async def _firing(alert: Alert | None, alert_id: int, database: Database) -> Alert:
    if alert is not None and alert.fired_at is not None:
        return alert
    async with database.connect() as connection:
        row = await repository.by_id(connection, alert_id)
    if row is None:
        raise _no_such_alert()
    raise Conflict("this alert is pending: it does not fire yet" if alert else "this alert is resolved already")


def _no_such_alert() -> NotFound:
    return NotFound("there is no such alert: it may have been forgotten, or never fired")
