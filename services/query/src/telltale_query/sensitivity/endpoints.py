"""``GET`` and ``PUT /sensitivity``, and ``POST /anomalies/try``."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.connections import Engine, Reading
from telltale_query.instants import outside, outside_or_none
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_query.sensitivity.announcer import SensitivityAnnouncer
from telltale_query.sensitivity.repository import read_newest, read_unit
from telltale_query.sensitivity.schemas import (
    KindLimit,
    NewSensitivity,
    OneSeries,
    SensitivityOut,
    Trial,
    TrialResult,
    WouldMark,
)
from telltale_query.sensitivity.service import READINGS_MAX, Trials
from telltale_shared.database import in_transaction
from telltale_shared.detection.sensitivity import LEVELS, level, limits
from telltale_shared.errors import NotFound, ProblemDetails
from telltale_shared.instants import instant, microseconds
from telltale_shared.security import User, Viewer
from telltale_shared.store.sensitivities import find_series, read_sensitivity, set_sensitivity

router = APIRouter(tags=["anomalies"])

NO_SERIES: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDetails, "description": "There is no such series."}}


def announcer_of(request: Request) -> SensitivityAnnouncer:
    """The app's announcer."""
    announcer: SensitivityAnnouncer = request.app.state.sensitivities
    return announcer


def _trials(request: Request) -> Trials:
    trials: Trials = request.app.state.trials
    return trials


Announcer = Annotated[SensitivityAnnouncer, Depends(announcer_of)]


@router.get(
    "/sensitivity", summary="How sensitive a series is watched", response_model=SensitivityOut, responses=NO_SERIES
)
async def get_sensitivity(_: Viewer, connection: Reading, query: Annotated[OneSeries, Query()]) -> Response:
    """What was chosen, and what verdicts have taught, by kind."""
    return reply(await _read(connection, query, await _find(connection, query)))


@router.put("/sensitivity", summary="Set it", response_model=SensitivityOut, responses=NO_SERIES)
async def put_sensitivity(
    principal: User, engine: Engine, request: Request, announcer: Announcer, new: NewSensitivity
) -> Response:
    """Detectors learn of it within a second; readings that come after that are judged by it."""
    actor = actor_of(principal, request)

    async def work(connection: AsyncConnection) -> SensitivityOut:
        series_id = await _find(connection, new)
        target = f"{new.source} · {new.category}"
        await set_sensitivity(
            connection, actor, series_id, target, threshold=new.chosen, forget_verdicts=new.forget_verdicts
        )
        return await _read(connection, new, series_id)

    answer = await in_transaction(engine, work)
    announcer.changed()
    return reply(answer)


@router.post("/anomalies/try", summary="Try a sensitivity", response_model=TrialResult, responses=NO_SERIES)
async def try_sensitivity(
    _: Viewer, engine: Engine, trials: Annotated[Trials, Depends(_trials)], trial: Trial
) -> Response:
    """What it would have marked among stored readings of one series, by the detector's own model; nothing is changed.

    The model meets the series anew: among its first 60 readings it marks nothing.
    """
    async with engine.connect() as connection:
        series_id = await _find(connection, trial)
        unit = await read_unit(connection, series_id)
        lessons = (await read_sensitivity(connection, series_id)).lessons if trial.with_verdicts else {}
        rows = await read_newest(connection, series_id, trial.from_, trial.to, READINGS_MAX + 1)
    is_whole = len(rows) <= READINGS_MAX
    rows = rows[-READINGS_MAX:]
    found = await trials.run(
        trial.source, trial.category, unit, [microseconds(at) for at, _ in rows], [value for _, value in rows],
        limits(trial.chosen, lessons),
    )  # fmt: skip
    marked = [
        WouldMark(
            observed_at=outside(instant(one.observed_at)), value=one.value, score=one.score,
            expected_low=one.expected_low, expected_high=one.expected_high, kind=one.kind.value,
            explanation=one.explanation,
        )
        for one in found
    ]  # fmt: skip
    read_from = outside(rows[0][0]) if rows else None
    return reply(TrialResult(trial.chosen, len(rows), read_from, is_whole, marked))


async def _find(connection: AsyncConnection, one: OneSeries) -> int:
    series_id = await find_series(connection, one.source, one.category)
    if series_id is None:
        raise NotFound("there is no such series")
    return series_id


async def _read(connection: AsyncConnection, one: OneSeries, series_id: int) -> SensitivityOut:
    own = await read_sensitivity(connection, series_id)
    return SensitivityOut(
        source=one.source,
        category=one.category,
        threshold=own.threshold,
        level=level(own.threshold),
        levels=LEVELS,
        kinds=[
            KindLimit(kind.value, limit, own.lessons.get(kind.value, 0))
            for kind, limit in limits(own.threshold, own.lessons).items()
        ],
        verdicts_from=outside_or_none(own.verdicts_from),
        set_by=own.set_by,
        set_at=outside_or_none(own.set_at),
    )
