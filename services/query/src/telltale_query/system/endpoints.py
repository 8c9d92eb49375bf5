"""``GET /status``, ``GET /logs`` and ``GET /audit``."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from telltale_query.connections import Reading
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_query.system.repository import Place, list_audit, list_logs
from telltale_query.system.schemas import AuditEntry, AuditQuery, LogEntry, LogQuery, Status
from telltale_query.system.service import StatusReporter
from telltale_shared.security import Admin, Viewer

router = APIRouter(tags=["system"])


@router.get("/status", summary="Is all well?", response_model=Status)
async def get_status(_: Viewer, request: Request) -> Response:
    """Instances, queues, database and ledger, with the reasons when something is not well.

    Answers also while the database or the broker is away.
    """
    reporter: StatusReporter = request.app.state.status
    return reply(await reporter.status())


@router.get("/logs", summary="Warnings and errors of the services", response_model=Page[LogEntry])
async def get_logs(_: Admin, connection: Reading, query: Annotated[LogQuery, Query()]) -> Response:
    """Newest first."""
    window = Window.of(query.limit, query.cursor, Place)
    entries, total = await list_logs(connection, query, window)
    return reply(Page.cut(entries, window, total, _place))


@router.get("/audit", summary="Who changed what", response_model=Page[AuditEntry])
async def get_audit(_: Admin, connection: Reading, query: Annotated[AuditQuery, Query()]) -> Response:
    """Changes of data, newest first. Changes of accounts are in the audit trail of auth."""
    window = Window.of(query.limit, query.cursor, Place)
    entries, total = await list_audit(connection, query, window)
    return reply(Page.cut(entries, window, total, _place))


def _place(entry: LogEntry | AuditEntry) -> Place:
    return Place(entry.at.replace(tzinfo=None), int(entry.id))
