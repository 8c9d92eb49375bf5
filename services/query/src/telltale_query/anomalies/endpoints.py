"""``GET /anomalies`` and ``PATCH /anomalies/{id}``."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.anomalies.repository import Place, list_anomalies, read_anomaly
from telltale_query.anomalies.schemas import Anomaly, AnomalyQuery, Judgement
from telltale_query.connections import Engine, Reading
from telltale_query.paging import Page, Window, bad_cursor
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_query.sensitivity.endpoints import Announcer
from telltale_shared.database import in_transaction
from telltale_shared.errors import NotFound, ProblemDetails
from telltale_shared.security import User, Viewer
from telltale_shared.store.edits import judge_anomaly

router = APIRouter(tags=["anomalies"])

LARGEST_ID = 2**63 - 1


@router.get("/anomalies", summary="What detectors hold to be unusual", response_model=Page[Anomaly])
async def get_anomalies(_: Viewer, connection: Reading, query: Annotated[AnomalyQuery, Query()]) -> Response:
    """Newest first, unless another order is asked for."""
    window = Window.of(query.limit, query.cursor, Place)
    if window.key is not None and window.key.sort != query.sort:
        raise bad_cursor()
    found, total = await list_anomalies(connection, query, window)

    def place(one: Anomaly) -> Place:
        return Place(query.sort, one.observed_at.replace(tzinfo=None), one.score, int(one.id))

    return reply(Page.cut(found, window, total, place))


@router.patch(
    "/anomalies/{anomaly_id}", summary="Confirm or dismiss an anomaly", response_model=Anomaly,
    responses={404: {"model": ProblemDetails, "description": "There is no such anomaly."}},
)  # fmt: skip
async def judge(
    principal: User, engine: Engine, request: Request, announcer: Announcer, anomaly_id: str, judgement: Judgement
) -> Response:
    """A dismissed anomaly no longer counts, and its kind must be more unusual to be marked in its series again.

    null takes the verdict back, and what it taught. The audit trail keeps every verdict.
    """
    number = int(anomaly_id) if anomaly_id.isascii() and anomaly_id.isdigit() else 0
    actor = actor_of(principal, request)

    async def work(connection: AsyncConnection) -> Anomaly | None:
        if not 0 < number <= LARGEST_ID or not await judge_anomaly(connection, actor, number, judgement.verdict):
            return None
        return await read_anomaly(connection, number)

    judged = await in_transaction(engine, work)
    if judged is None:
        raise NotFound("there is no such anomaly: its record may have been deleted")
    announcer.changed()
    return reply(judged)
