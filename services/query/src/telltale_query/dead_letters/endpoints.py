"""``GET /dead-letters``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from telltale_query.connections import Reading
from telltale_query.dead_letters.repository import Place, list_dead_letters
from telltale_query.dead_letters.schemas import DeadLetter, DeadLetterQuery
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_shared.security import Admin

router = APIRouter(tags=["ledger"])


@router.get("/dead-letters", summary="What could not be stored, and why", response_model=Page[DeadLetter])
async def get_dead_letters(_: Admin, connection: Reading, query: Annotated[DeadLetterQuery, Query()]) -> Response:
    """Newest first, with the beginning of each payload. The ledger counts them for everyone."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_dead_letters(connection, query, window)
    return reply(Page.cut(found, window, total, lambda one: Place(one.at.replace(tzinfo=None), int(one.id))))
