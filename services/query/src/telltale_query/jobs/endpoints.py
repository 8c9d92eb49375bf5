"""``GET /jobs``, ``GET /jobs/{id}`` and ``POST /jobs/{id}/cancel``."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from telltale_query.connections import Engine, Reading
from telltale_query.jobs.repository import Place, list_jobs, read_job, request_cancel
from telltale_query.jobs.schemas import Job, JobQuery
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, NotFound, ProblemDetails
from telltale_shared.security import Principal, Role, Viewer

router = APIRouter(tags=["jobs"])

Responses = dict[int | str, dict[str, Any]]

MISSING: Responses = {404: {"model": ProblemDetails, "description": "There is no such job, or it is somebody else's."}}
ENDED: Responses = {409: {"model": ProblemDetails, "description": "The job has ended already."}}

JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def owner_seen_by(principal: Principal) -> str | None:
    """Whose jobs ``principal`` may see: None for everybody's."""
    return None if principal.role.includes(Role.ADMIN) else principal.user_id


@router.get("/jobs", summary="List jobs", response_model=Page[Job])
async def get_jobs(principal: Viewer, connection: Reading, query: Annotated[JobQuery, Query()]) -> Response:
    """Your own, newest first; an administrator sees everybody's. Ended ones are forgotten after some weeks."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_jobs(connection, query, window, owned_by=owner_seen_by(principal))
    return reply(Page.cut(found, window, total, lambda job: Place(job.id)))


@router.get("/jobs/{job_id}", summary="One job", response_model=Job, responses=MISSING)
async def get_job(principal: Viewer, connection: Reading, job_id: JobId) -> Response:
    """How far it is, and how fast."""
    job = await read_job(connection, job_id, owned_by=owner_seen_by(principal))
    if job is None:
        raise NotFound("there is no such job: ended ones are forgotten after some weeks")
    return reply(job)


@router.post(
    "/jobs/{job_id}/cancel", summary="Cancel a job", status_code=202, response_model=Job,
    responses={**MISSING, **ENDED},
)  # fmt: skip
async def cancel_job(principal: Viewer, engine: Engine, job_id: JobId) -> Response:
    """It ends soon after, and leaves nothing half done behind."""
    owned_by = owner_seen_by(principal)
    async with engine.connect() as connection:
        job = await read_job(connection, job_id, owned_by=owned_by)
    if job is None:
        raise NotFound("there is no such job")
    if not await in_transaction(engine, partial(request_cancel, job_id=job_id)):
        raise Conflict("this job has ended already")
    async with engine.connect() as connection:
        return reply(await read_job(connection, job_id), status=202)
