"""``GET/POST /records`` and ``GET/PATCH/DELETE /records/{id}``."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from telltale_query.connections import Engine, Reading
from telltale_query.paging import Page
from telltale_query.principals import actor_of
from telltale_query.records import service
from telltale_query.records.repository import Revision
from telltale_query.records.schemas import NewRecord, Record, RecordChange, RecordQuery
from telltale_query.replies import reply
from telltale_shared.errors import FieldError, InvalidRequest, ProblemDetails
from telltale_shared.security import User, Viewer
from telltale_shared.store.edits import RecordVersion

router = APIRouter(tags=["records"])

Responses = dict[int | str, dict[str, Any]]

MISSING: Responses = {
    404: {"model": ProblemDetails, "description": "There is no such record."},
    410: {"model": ProblemDetails, "description": "It has been deleted; `detail` says who changed it last and when."},
}
UNCHANGED: Responses = {304: {"description": "It is as `If-None-Match` says."}}
CHANGED: Responses = {
    412: {"model": ProblemDetails, "description": "Somebody changed it meanwhile; `detail` says who and when."}
}
EXISTS: Responses = {409: {"model": ProblemDetails, "description": "The series has a record at this instant."}}

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The `ETag` under which the record was read, as `"0"`. Without it, or with `*`, the change is made '
        "whatever the record is by now.",
    ),
]

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match", description='ETags of which one may still be right, as `"0"`; then the answer is 304.'
    ),
]

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})(?:-(\d{1,9}))?"', re.ASCII)


def _expected(if_match: str | None) -> RecordVersion | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        message = 'must be one ETag of a record, like "0", or *'
        raise InvalidRequest(f"If-Match {message}", errors=[FieldError(field="If-Match", message=message)])
    return RecordVersion(int(match[1]), None if match[2] is None else int(match[2]))


def _etag(record: Record, revision: Revision) -> str:
    return service.etag_of(RecordVersion(revision.number, record.import_id))


def _is_unchanged(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in known or etag in known


def _reply(record: Record, revision: Revision, *, status: int = 200) -> Response:
    return reply(record, status=status, headers={"ETag": _etag(record, revision)})


@router.get("/records", summary="List records", response_model=Page[Record])
async def list_records(_: Viewer, connection: Reading, query: Annotated[RecordQuery, Query()]) -> Response:
    """Filtered, sorted and paged, both ways: `previous_cursor` leads back.

    The total is exact with any filter by source, category and time. With others it may be "at least"
    (`total_is_exact` is false): it is counted as far as rollups and a bounded effort go.

    One request looks at a bounded number of records. Where it finds few among many, a page may hold fewer than
    `limit`, even none, and still have a `next_cursor`: the search goes on there. A page by value is refused where it
    would have to sort too many, which happens far down a long list only.
    """
    return reply(await service.list_records(connection, query))


@router.post("/records", summary="Store a reading by hand", status_code=201, response_model=Record, responses=EXISTS)
async def create_record(principal: User, engine: Engine, request: Request, new: NewRecord) -> Response:
    """By the rules that hold for every reading. A series that does not exist is created."""
    record, revision = await service.create_record(engine, actor_of(principal, request), new)
    return _reply(record, revision, status=201)


@router.get("/records/{record_id}", summary="One record", response_model=Record, responses={**MISSING, **UNCHANGED})
async def get_record(_: Viewer, connection: Reading, record_id: str, if_none_match: IfNoneMatch = None) -> Response:
    """With its revision as `ETag`; what detectors say of it is no part of that."""
    record, revision = await service.get_record(connection, record_id)
    if _is_unchanged(if_none_match, _etag(record, revision)):
        return Response(status_code=304, headers={"ETag": _etag(record, revision)})
    return _reply(record, revision)


@router.patch(
    "/records/{record_id}", summary="Change a record", response_model=Record, responses={**MISSING, **CHANGED}
)
async def change_record(
    principal: User, engine: Engine, request: Request, record_id: str, change: RecordChange, if_match: IfMatch = None
) -> Response:
    """Value, note or both; analytics follow at once."""
    expected = _expected(if_match)
    record, revision = await service.change_record(engine, actor_of(principal, request), record_id, change, expected)
    return _reply(record, revision)


@router.delete(
    "/records/{record_id}", summary="Delete a record", status_code=204, response_model=None,
    responses={**MISSING, **CHANGED},
)  # fmt: skip
async def delete_record(
    principal: User, engine: Engine, request: Request, record_id: str, if_match: IfMatch = None
) -> Response:
    """For good, with what detectors said of it; the audit trail keeps its value."""
    expected = _expected(if_match)
    await service.delete_record(engine, actor_of(principal, request), record_id, expected)
    return Response(status_code=204)
