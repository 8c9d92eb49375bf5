"""``GET /dead-letters``, one of them, and what may be done about them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from telltale_query.connections import Engine, Reading
from telltale_query.dead_letters import service
from telltale_query.dead_letters.repository import Place, list_dead_letters, read_dead_letter
from telltale_query.dead_letters.schemas import DISCARD, REPLAY, Choice, DeadLetter, DeadLetterQuery
from telltale_query.jobs.schemas import Job
from telltale_query.paging import Page, Window
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_shared.errors import NotFound, ProblemDetails
from telltale_shared.security import Admin

router = APIRouter(tags=["ledger"])

DIFFERS: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemDetails, "description": "The filter chooses more or fewer letters by now."}
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDetails, "description": "There is no such letter."}}

LetterId = Annotated[int, Path(ge=0, le=2**63 - 1)]


@router.get("/dead-letters", summary="What could not be stored, and why", response_model=Page[DeadLetter])
async def get_dead_letters(_: Admin, connection: Reading, query: Annotated[DeadLetterQuery, Query()]) -> Response:
    """Newest first, with the beginning of each payload. The ledger counts them for everyone."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_dead_letters(connection, query, window)
    return reply(Page.cut(found, window, total, lambda one: Place(one.at.replace(tzinfo=None), int(one.id))))


@router.get(
    "/dead-letters/{letter_id}", summary="One dead letter, whole", response_model=DeadLetter, responses=MISSING
)  # fmt: skip
async def get_dead_letter(_: Admin, connection: Reading, letter_id: LetterId) -> Response:
    """With all that is kept of its payload."""
    found = await read_dead_letter(connection, letter_id)
    if found is None:
        raise NotFound("there is no such dead letter: it may be older than these are kept")
    return reply(found)


@router.post(
    "/dead-letters/replay", summary="Try dead letters again", status_code=202, response_model=Job, responses=DIFFERS
)
async def replay(principal: Admin, engine: Engine, request: Request, choice: Choice) -> Response:
    """What can be stored by now becomes records, and its numbers move from dead to stored in the ledger.

    A job (`GET /jobs/{id}`), whose result says how many readings were `stored` or `repeated`, and why others are still
    refused. A letter that is resolved already is left alone: replaying twice stores once.
    """
    return reply(await service.order(engine, actor_of(principal, request), REPLAY, choice), status=202)


@router.post(
    "/dead-letters/discard", summary="Set dead letters aside", status_code=202, response_model=Job, responses=DIFFERS
)
async def discard(principal: Admin, engine: Engine, request: Request, choice: Choice) -> Response:
    """They stay dead, and are listed as discarded until they are forgotten. A job (`GET /jobs/{id}`)."""
    return reply(await service.order(engine, actor_of(principal, request), DISCARD, choice), status=202)
