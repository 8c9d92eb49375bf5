"""``GET /status``, ``GET /logs`` and ``GET /audit``."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from telltale_query.connections import Engine, Reading
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_query.selection import Range
from telltale_query.system.audit_file import audit_rows
from telltale_query.system.repository import Place, list_audit, list_logs
from telltale_query.system.schemas import AuditEntry, AuditFilter, AuditQuery, LogEntry, LogQuery, Status
from telltale_query.system.service import StatusReporter
from telltale_shared.security import Admin, Viewer

router = APIRouter(tags=["system"])

FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


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


@router.get("/audit/export", summary="The audit trail as a CSV file", response_class=StreamingResponse, responses=FILE)
async def export_audit(_: Admin, engine: Engine, query: Annotated[AuditFilter, Query()]) -> Response:
    """The changes that `GET /audit` lists with the same filters, all of them."""
    Range.of(query)  # a bad one is refused before the file begins
    headers = {"Content-Disposition": 'attachment; filename="telltale-audit.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(audit_rows(engine, query), headers=headers, media_type="text/csv; charset=utf-8")


def _place(entry: LogEntry | AuditEntry) -> Place:
    return Place(entry.at.replace(tzinfo=None), int(entry.id))
