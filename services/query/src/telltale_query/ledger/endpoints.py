"""``GET /ledger``, ``GET /ledger/days`` and ``GET /ledger/missing``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from telltale_query.connections import Reading
from telltale_query.filters import RangeQuery
from telltale_query.ledger.repository import Place, list_missing, read_days, read_ledger
from telltale_query.ledger.schemas import DayQuery, Days, Ledger, MissingQuery, MissingRun
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_query.selection import Range
from telltale_shared.security import Viewer

router = APIRouter(tags=["ledger"])


@router.get("/ledger", summary="The proof that nothing was lost", response_model=Ledger)
async def get_ledger(_: Viewer, connection: Reading, query: Annotated[RangeQuery, Query()]) -> Response:
    """Per producer: every number it gave to a reading is stored, a repeat, a dead letter, missing, or on its way.

    First those who still publish, then those who have ended; the newest first.

    A range is rounded to whole UTC days, which the answer names. What a number's day is says the moment at which it
    became so: published, stored …
    """
    return reply(await read_ledger(connection, Range.of(query)))


@router.get("/ledger/days", summary="The ledger by UTC day", response_model=Days)
async def get_days(_: Viewer, connection: Reading, query: Annotated[DayQuery, Query()]) -> Response:
    """Newest first. All days together are what `GET /ledger` says without a range."""
    return reply(await read_days(connection, Range.of(query), query.producer))


@router.get("/ledger/missing", summary="Exactly which numbers are missing", response_model=Page[MissingRun])
async def get_missing(_: Viewer, connection: Reading, query: Annotated[MissingQuery, Query()]) -> Response:
    """By producer and number; numbers in a row are one item. Dead ones are listed by `GET /dead-letters`."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_missing(connection, query.producer, window)
    places = {id(run): place for place, run in found}
    return reply(Page.cut([run for _, run in found], window, total, lambda run: places[id(run)]))
