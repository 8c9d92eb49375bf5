"""``POST /records/deletions/preview`` and ``POST /records/deletions``."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from telltale_query.connections import Engine, Reading
from telltale_query.deletions import service
from telltale_query.deletions.schemas import Deletion, DeletionFilter, Preview
from telltale_query.jobs.schemas import Job
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_shared.errors import ProblemDetails
from telltale_shared.security import Admin

router = APIRouter(tags=["records"])

DIFFERS: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemDetails, "description": "The filter chooses more or fewer records by now."}
}


@router.post("/records/deletions/preview", summary="How many records would go?", response_model=Preview)
async def preview(_: Admin, connection: Reading, chosen: Annotated[DeletionFilter, Body()]) -> Response:
    """Deletes nothing. Send the `filter` of the answer, which has an end, and its `count` to delete them."""
    return reply(await service.preview_deletion(connection, chosen))


@router.post(
    "/records/deletions", summary="Delete all records of a filter", status_code=202, response_model=Job,
    responses=DIFFERS,
)  # fmt: skip
async def delete(principal: Admin, engine: Engine, request: Request, deletion: Deletion) -> Response:
    """For good, with what detectors said of them.

    A job (`GET /jobs/{id}`) that can be cancelled: what is deleted by then stays deleted, and the audit trail says how
    many records that were.
    """
    return reply(await service.order_deletion(engine, actor_of(principal, request), deletion), status=202)
