"""``GET /records/export``, and exports that are kept: ``GET/POST /exports``, ``GET/DELETE /exports/{id}``, its file."""

import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from telltale_query.connections import Engine, Reading
from telltale_query.exports.kept import KeptExports
from telltale_query.exports.repository import Place, list_exports
from telltale_query.exports.schemas import Export, ExportFormat, ExportQuery
from telltale_query.exports.service import DirectExports, file_chunks, file_name
from telltale_query.filters import PageQuery
from telltale_query.jobs.endpoints import owner_seen_by
from telltale_query.jobs.files import read_pieces
from telltale_query.paging import Page, Window
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_shared.errors import ProblemDetails
from telltale_shared.security import Viewer

router = APIRouter(tags=["exports"])

Responses = dict[int | str, dict[str, Any]]

FILE: Responses = {
    200: {
        "description": "The file.",
        "content": {kind.media_type: {"schema": {"type": "string", "format": "binary"}} for kind in ExportFormat},
    }
}
MISSING: Responses = {
    404: {"model": ProblemDetails, "description": "There is no such export, it is somebody else's, or it is too old."}
}
NO_FILE: Responses = {409: {"model": ProblemDetails, "description": "The file is not there yet, or never will be."}}
TOO_MANY: Responses = {409: {"model": ProblemDetails, "description": "You have too many exports already."}}
CLIENT_CLOSED_REQUEST = 499
"""For the log alone: nobody is there to read the answer."""

ExportId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def _kept(request: Request) -> KeptExports:
    kept: KeptExports = request.app.state.exports
    return kept


Kept = Annotated[KeptExports, Depends(_kept)]


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


@router.get("/records/export", summary="Records as a file", response_class=StreamingResponse, responses=FILE)
async def export_records(principal: Viewer, request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Exactly the records that `GET /records` lists with the same filters and sort.

    `csv` is exact, of any length, and can be imported again: RFC 4180, UTF-8, times with microseconds. A text that
    begins with one of `= + - @`, a tab or a carriage return has an apostrophe in front, so that no spreadsheet takes
    it for a formula; an import takes it away. `xlsx` is for spreadsheets: real times and numbers, text that stays
    text, and a manifest. `parquet` has typed columns. Both are sent once they are complete and hold at most 50,000
    records here: `POST /exports` makes longer ones.
    """
    direct: DirectExports = request.app.state.direct_exports
    headers = _attachment(file_name(query, datetime.now(UTC)))
    body: AsyncIterator[bytes]
    if query.format is ExportFormat.CSV:
        body = await direct.csv(query)
    else:
        made_by = principal.name or f"user {principal.user_id}"
        file = await direct.file(query, made_by=made_by, abandoned=request.is_disconnected)
        if file is None:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
        body = file_chunks(file)
    return StreamingResponse(body, headers=headers, media_type=query.format.media_type)


@router.post("/exports", summary="Have a file made", status_code=202, response_model=Export, responses=TOO_MANY)
async def begin_export(
    principal: Viewer, request: Request, kept: Kept, query: Annotated[ExportQuery, Query()]
) -> Response:
    """Like `GET /records/export`, for any kind of file and many records: it is made while nobody waits.

    Its file is kept for a day after it is done. Excel files go on in further sheets past 1,048,576 rows.
    """
    export = await kept.begin(actor_of(principal, request), query)
    return reply(export, status=202, headers={"Location": f"{request.url.path}/{export.id}"})


@router.get("/exports", summary="List exports", response_model=Page[Export])
async def get_exports(
    principal: Viewer, connection: Reading, kept: Kept, query: Annotated[PageQuery, Query()]
) -> Response:
    """Your own, newest first."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_exports(connection, owned_by=principal.user_id, window=window, file_hours=kept.file_hours)
    return reply(Page.cut(found, window, total, lambda export: Place(export.id)))


@router.get("/exports/{export_id}", summary="One export", response_model=Export, responses=MISSING)
async def get_export(principal: Viewer, kept: Kept, export_id: ExportId) -> Response:
    """How far it is, and what its file is like once it is there."""
    return reply(await kept.get(export_id, owned_by=owner_seen_by(principal)))


@router.get(
    "/exports/{export_id}/file", summary="The file of an export", response_class=StreamingResponse,
    responses={**FILE, **MISSING, **NO_FILE},
)  # fmt: skip
async def get_export_file(principal: Viewer, kept: Kept, engine: Engine, export_id: ExportId) -> Response:
    """With its SHA-256 as `Repr-Digest` (RFC 9530)."""
    export = await kept.file(export_id, owned_by=owner_seen_by(principal))
    digest = base64.b64encode(bytes.fromhex(export.sha256 or "")).decode()
    headers = {
        **_attachment(export.file_name),
        "Content-Length": str(export.bytes),
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    return StreamingResponse(read_pieces(engine, export.id), headers=headers, media_type=export.format.media_type)


@router.delete(
    "/exports/{export_id}", summary="Delete an export", status_code=204, response_model=None, responses=MISSING
)
async def delete_export(principal: Viewer, kept: Kept, export_id: ExportId) -> Response:
    """With its file. One that is not done yet is cancelled instead."""
    await kept.delete(export_id, owned_by=owner_seen_by(principal))
    return Response(status_code=204)
