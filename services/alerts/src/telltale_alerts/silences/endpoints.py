"""``/silences``."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from telltale_alerts.dependencies import Database, Id, TheMonitor, actor_of
from telltale_alerts.names import outside
from telltale_alerts.paging import before, cut
from telltale_alerts.silences import repository
from telltale_alerts.silences.schemas import SilenceBody, SilenceView
from telltale_alerts.silences.service import SilenceService
from telltale_shared.errors import ProblemDetails
from telltale_shared.lists import Cursor, Limit, Page
from telltale_shared.security import User, Viewer
from telltale_shared.system_events import now_us

router = APIRouter(prefix="/silences", tags=["silences"])


def _service(database: Database, monitor: TheMonitor) -> SilenceService:
    return SilenceService(database, monitor)


Silences = Annotated[SilenceService, Depends(_service)]


def _view(row: Any) -> SilenceView:
    return SilenceView(
        id=str(row.id),
        rule_id=None if row.rule_id is None else str(row.rule_id),
        sources=row.sources,
        categories=row.categories,
        ends_at=outside(row.ends_at),
        reason=row.reason,
        created_at=row.created_at,
        created_by=row.created_by,
    )


@router.get("", summary="Silences, newest first")
async def list_silences(
    _: Viewer,
    database: Database,
    ended: Annotated[bool, Query(description="Also those that have ended.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SilenceView]:
    after = None if ended else now_us()
    async with database.connect() as connection:
        rows, total = await repository.page(connection, after=after, before_id=before(cursor), limit=limit + 1)
    return cut([_view(row) for row in rows], limit, total)


@router.post("", status_code=201, summary="Keep alerts quiet until an instant, for a reason")
async def begin_silence(body: SilenceBody, principal: User, silences: Silences, request: Request) -> SilenceView:
    return _view(await silences.begin(body, actor_of(principal, request)))


@router.delete(
    "/{id}",
    status_code=204,
    summary="End a silence now",
    responses={404: {"model": ProblemDetails, "description": "There is no such silence."}},
)
async def end_silence(id: Id, principal: User, silences: Silences, request: Request) -> Response:  # noqa: A002 - as in the path
    await silences.end(id, actor_of(principal, request))
    return Response(status_code=204)
