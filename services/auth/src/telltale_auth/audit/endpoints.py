"""Reading the audit: ADMIN only."""

from typing import Annotated

from fastapi import APIRouter, Query

from telltale_auth.audit import repository
from telltale_auth.audit.schemas import AuditEntry, AuditQuery
from telltale_auth.dependencies import Database
from telltale_shared.lists import Page, cursor_after, invalid_cursor, key_of
from telltale_shared.security import Admin

router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit", summary="Who did what to whom, newest first")
async def list_audit(_: Admin, database: Database, query: Annotated[AuditQuery, Query()]) -> Page[AuditEntry]:
    limit, key = query.limit, key_of(query.cursor)
    if key is not None and not (key.isascii() and key.isdigit() and len(key) < 20):
        raise invalid_cursor()
    async with database.connect() as connection:
        rows, total = await repository.page(
            connection, query.conditions(), before_id=None if key is None else int(key), limit=limit + 1
        )
    items = [AuditEntry.model_validate({**row._mapping, "id": str(row.id)}) for row in rows[:limit]]
    return Page(items=items, next_cursor=cursor_after(items[-1].id) if len(rows) > limit else None, total=total)
