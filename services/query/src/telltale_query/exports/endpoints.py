"""``GET /records/export``."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from telltale_query.exports.schemas import ExportFormat, ExportQuery
from telltale_query.exports.service import Exporter, file_chunks, file_name
from telltale_shared.security import Viewer

router = APIRouter(tags=["records"])

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {kind.media_type: {"schema": {"type": "string", "format": "binary"}} for kind in ExportFormat},
    }
}
CLIENT_CLOSED_REQUEST = 499
"""For the log alone: nobody is there to read the answer."""


@router.get("/records/export", summary="Records as a file", response_class=StreamingResponse, responses=FILE)
async def export_records(principal: Viewer, request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Exactly the records that `GET /records` lists with the same filters and sort.

    `csv` is exact and can be imported again: RFC 4180, UTF-8, times with microseconds, text as it was stored, also
    where a spreadsheet would take it for a formula. `xlsx` is for spreadsheets: real times (UTC) and numbers, text
    that stays text, further sheets past 1,048,576 rows, and a manifest. It is sent once it is complete.
    """
    exporter: Exporter = request.app.state.exporter
    selection = await exporter.select(query)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(query, query.format, datetime.now(UTC))}"',
        "Cache-Control": "no-store",
    }
    body: AsyncIterator[bytes]
    if query.format is ExportFormat.CSV:
        body = await exporter.csv(selection, query)
    else:
        made_by = principal.name or f"user {principal.user_id}"
        file = await exporter.xlsx(selection, query, made_by=made_by, abandoned=request.is_disconnected)
        if file is None:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
        body = file_chunks(file)
    return StreamingResponse(body, headers=headers, media_type=query.format.media_type)
