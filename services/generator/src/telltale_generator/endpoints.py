"""REST interface of the generator: look at it, steer it, post readings of your own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from telltale_generator.feed import Feed
from telltale_generator.publisher import ReadingPublisher, SpoolFull
from telltale_generator.schemas import (
    Accepted,
    AnomalyOut,
    GeneratorChange,
    GeneratorOut,
    InjectAnomaly,
    PostedReading,
    ReplayOut,
    SeriesOut,
    SpoolOut,
)
from telltale_generator.settings import Settings
from telltale_generator.sources import Reading
from telltale_generator.sources.catalogue import SourceUnusable, make_source
from telltale_generator.sources.http import from_csv, from_json
from telltale_generator.sources.replay import ReplaySource
from telltale_generator.sources.rows import BadRows
from telltale_generator.sources.synthetic import Anomaly, SyntheticSource, UnknownSeries
from telltale_shared.errors import Conflict, FieldError, InvalidRequest, Problem, ProblemDetails, Unavailable
from telltale_shared.security import Ingest, User, Viewer
from telltale_shared.system_events import now_us
from telltale_shared.validation import TimeBounds

CONFIRM_SECONDS = 10.0
"""How long a request waits for the broker's confirm of its readings."""
LABELS_SHOWN = 3_600 * 1_000_000
"""How long ago an anomaly may have begun to be told of, µs."""
RETRY_AFTER = {"Retry-After": "5"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROBLEM = {"model": ProblemDetails}


class Unsupported(Problem):
    status, title = 415, "Unsupported media type"


def _publisher(request: Request) -> ReadingPublisher:
    publisher: ReadingPublisher = request.app.state.publisher
    return publisher


def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


ThePublisher = Annotated[ReadingPublisher, Depends(_publisher)]
TheFeed = Annotated[Feed, Depends(_feed)]
TheSettings = Annotated[Settings, Depends(_settings)]

router = APIRouter(tags=["generator"], responses={401: _PROBLEM, 403: _PROBLEM, 422: _PROBLEM})


@router.get("/generator", summary="What the generator does right now")
async def get_generator(_: Viewer, publisher: ThePublisher, feed: TheFeed, settings: TheSettings) -> GeneratorOut:
    return _state(publisher, feed, settings)


@router.patch("/generator", summary="Change source, rate or speed; pause and go on", responses={409: _PROBLEM})
async def change_generator(
    change: GeneratorChange, _: User, publisher: ThePublisher, feed: TheFeed, settings: TheSettings
) -> GeneratorOut:
    name, source = feed.name, feed.source
    if change.source is not None and (change.source is not name or source.finished):
        try:
            name, source = change.source, await make_source(change.source, settings)
        except SourceUnusable as error:
            raise Conflict(str(error)) from error
    # Everything that can be refused is, before anything is changed.
    if change.speed is not None and not isinstance(source, ReplaySource):
        raise Conflict("only a replay has a speed; the rate is what other sources have")
    if source is not feed.source:
        feed.use(name, source)
    if change.speed is not None and isinstance(source, ReplaySource):
        source.set_speed(change.speed, now_us())
    if change.rate is not None:
        feed.set_rate(change.rate)
    if change.paused is not None:
        feed.pause(change.paused)
    return _state(publisher, feed, settings)


@router.post(
    "/generator/anomalies", status_code=201, summary="Make a synthetic sensor go wrong", responses={409: _PROBLEM}
)
async def inject_anomaly(wanted: InjectAnomaly, _: User, feed: TheFeed) -> AnomalyOut:
    if not isinstance(feed.source, SyntheticSource):
        raise Conflict(f"anomalies are made by the synthetic source only; this generator's is {feed.name}")
    if feed.paused:
        raise Conflict("the generator is paused: let it go on first")
    try:
        anomaly = feed.source.inject(wanted.kind, now_us(), wanted.source, wanted.category)
    except UnknownSeries as error:
        known = ", ".join(f"{one.source}/{one.category}" for one in feed.source.series)
        problem = FieldError(field="source", message=f"there is no such synthetic series; there are {known}")
        raise InvalidRequest("check source and category", errors=[problem]) from error
    return _label(anomaly)


@router.post(
    "/readings",
    status_code=201,
    summary="Post readings of your own",
    description="A JSON list of readings, or a CSV file with the columns source, category, observed_at, value and"
    " optionally unit (a column note is read over). All are taken or none. Answers when the broker has confirmed"
    " them: from then on each will be stored exactly once, or be a dead letter with its reason.",
    responses={413: _PROBLEM, 415: _PROBLEM, 503: _PROBLEM},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "minItems": 1, "items": PostedReading.model_json_schema()}
                },
                "text/csv": {"schema": {"type": "string"}},
            },
        }
    },
)
async def post_readings(request: Request, _: Ingest, publisher: ThePublisher) -> Accepted:
    readings = await _posted(request)
    try:
        taken = await publisher.accept(readings)
    except SpoolFull as error:
        raise Unavailable(f"the readings were not taken: {error}; try again later", headers=RETRY_AFTER) from error
    if not await taken.confirmed_within(CONFIRM_SECONDS):
        raise Unavailable(
            f"the broker has not confirmed the readings yet. They stay spooled and will be delivered, as numbers"
            f" {taken.first} to {taken.last} of {publisher.producer}: there is no need to send them again",
        )
    return Accepted(producer=publisher.producer, first=taken.first, last=taken.last, count=len(readings))


async def _posted(request: Request) -> list[Reading]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parse = {"application/json": from_json, "text/csv": from_csv}.get(media_type)
    if parse is None:
        raise Unsupported("send application/json or text/csv")
    body = await request.body()
    try:
        return await asyncio.to_thread(parse, body, TimeBounds.around(now_us()))
    except BadRows as error:
        errors = [FieldError(field=f"{row.place}.{row.field}", message=row.message) for row in error.rows]
        raise InvalidRequest(f"no reading was taken: {error}", errors=errors) from error


def _label(anomaly: Anomaly) -> AnomalyOut:
    return AnomalyOut(
        source=anomaly.source,
        category=anomaly.category,
        kind=anomaly.kind,
        start=_EPOCH + timedelta(microseconds=anomaly.start),
        end=_EPOCH + timedelta(microseconds=anomaly.end),
    )


def _state(publisher: ReadingPublisher, feed: Feed, settings: Settings) -> GeneratorOut:
    source, now = feed.source, now_us()
    labels = source.labels(now - LABELS_SHOWN, now) if isinstance(source, SyntheticSource) else []
    return GeneratorOut(
        name=settings.name,
        producer=publisher.producer,
        source=feed.name,
        rate=feed.rate,
        paused=feed.paused,
        finished=source.finished,
        series=[SeriesOut(source=one.source, category=one.category, unit=one.unit) for one in source.series],
        replay=(
            ReplayOut(speed=source.speed, position=source.position, rows=source.rows)
            if isinstance(source, ReplaySource)
            else None
        ),
        published=publisher.published,
        confirmed=publisher.confirmed,
        dropped=publisher.dropped,
        spool=SpoolOut(
            deliveries=publisher.spool_deliveries,
            bytes=publisher.spool_bytes,
            max_bytes=settings.spool_max_bytes,
        ),
        anomalies=[_label(label) for label in labels],
    )
