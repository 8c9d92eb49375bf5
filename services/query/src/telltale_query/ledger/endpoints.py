"""``GET /ledger``."""

from fastapi import APIRouter, Response

from telltale_query.connections import Reading
from telltale_query.ledger.repository import read_ledger
from telltale_query.ledger.schemas import Ledger
from telltale_query.replies import reply
from telltale_shared.security import Viewer

router = APIRouter(tags=["ledger"])


@router.get("/ledger", summary="The proof that nothing was lost", response_model=Ledger)
async def get_ledger(_: Viewer, connection: Reading) -> Response:
    """Per producer: every number it gave to a reading is stored, a repeat, a dead letter, or on its way."""
    return reply(await read_ledger(connection))
