"""``GET /audit``: ADMIN only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from telltale_alerts import audit
from telltale_alerts.dependencies import Database
from telltale_alerts.paging import Numbered, before, cut
from telltale_shared.lists import Cursor, Instant, Limit, Page
from telltale_shared.security import Admin

router = APIRouter(prefix="/audit", tags=["audit"])


class AuditEntry(Numbered):
    """One change of a rule, a silence or a webhook."""

    at: Instant
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    request_id: str


@router.get("", summary="Who changed what, newest first")
async def list_audit(
    _: Admin,
    database: Database,
    q: Annotated[str, Query(max_length=200, description="A part of actor, action or target; any case.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    async with database.connect() as connection:
        rows, total = await audit.page(connection, search=q, before_id=before(cursor), limit=limit + 1)
    items = [AuditEntry.model_validate({**row._mapping, "id": str(row.id)}) for row in rows]
    return cut(items, limit, total)
