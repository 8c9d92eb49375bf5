"""``/imports``: CSV files, taken whole or not at all."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.connections import Engine, Reading
from telltale_query.imports.header import COLUMNS
from telltale_query.imports.preview import preview
from telltale_query.imports.repository import list_imports, list_mistakes, read_mistakes, show_import
from telltale_query.imports.schemas import (
    ErrorQuery,
    Import,
    ImportOptions,
    ImportQuery,
    Mistake,
    Preview,
    PreviewOptions,
)
from telltale_query.imports.service import apply_import, receive_file, undo_import
from telltale_query.imports.upload import Upload
from telltale_query.jobs.endpoints import owner_seen_by
from telltale_query.jobs.repository import Place
from telltale_query.paging import Page, Window
from telltale_query.principals import actor_of
from telltale_query.replies import reply
from telltale_query.settings import Settings
from telltale_query.spreadsheet_text import guard
from telltale_shared.errors import NotFound, ProblemDetails
from telltale_shared.security import Principal, Role, User, Viewer
from telltale_shared.system_events import now_us
from telltale_shared.validation import DAY, TimeBounds

router = APIRouter(tags=["imports"])

Responses = dict[int | str, dict[str, Any]]

PREVIEW_BYTES = 65_536
MISTAKES_AT_ONCE = 1_000
FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
MISSING: Responses = {404: {"model": ProblemDetails, "description": "There is no such import."}}
NOT_NOW: Responses = {409: {"model": ProblemDetails, "description": "Its state does not allow that."}}
TOO_LARGE: Responses = {413: {"model": ProblemDetails, "description": "The file is larger than is taken."}}
CSV_OR_JSON: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

ImportId = Annotated[int, Path(ge=1, le=2**32 - 1)]


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _undoable_by(principal: Principal) -> str | None:
    """Whose imports ``principal`` may undo: an account's id, nobody's, or None for everybody's."""
    return owner_seen_by(principal) if principal.role.includes(Role.USER) else ""


@router.post(
    "/imports", summary="Import a CSV file", status_code=202, response_model=Import, responses=TOO_LARGE,
    openapi_extra=FILE_BODY,
)  # fmt: skip
async def create_import(
    principal: User, engine: Engine, request: Request, options: Annotated[ImportOptions, Query()]
) -> Response:
    """Every row is checked before any is stored, and all good ones are stored or none: see the state of the import.

    The first line names the columns `source`, `category`, `observed_at`, `value` and optionally `unit` and `note`;
    other names are mapped by `mapping`. UTF-8, or UTF-16 with a byte order mark. The options may also come as form
    fields before the file. A file that is imported again adds nothing.
    """
    upload = _upload(request)
    await upload.open()
    if upload.fields:
        try:
            options = ImportOptions.model_validate({**options.model_dump(exclude_unset=True), **upload.fields})
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error
    import_id = await receive_file(engine, actor_of(principal, request), upload, options)
    return await _shown(engine, principal, import_id, status=202)


def _upload(request: Request) -> Upload:
    limit = _settings(request).import_max_bytes
    return Upload(
        request,
        limit,
        f"a file may have at most {limit:,} bytes: import it in parts, each with the first line that names the columns "
        "(or raise QUERY_IMPORT_MAX_BYTES)",
    )


@router.post(
    "/imports/preview", summary="Look at the beginning of a file", response_model=Preview, openapi_extra=FILE_BODY
)
async def preview_import(_: User, request: Request, options: Annotated[PreviewOptions, Query()]) -> Response:
    """How its first 64 KiB would be read: delimiter, columns, first rows, and what is wrong with these."""
    upload = _upload(request)
    await upload.open()
    head = b""
    async for content in upload.content():
        head += content
        if len(head) >= PREVIEW_BYTES:
            break
    separator = {"auto": None, "tab": "\t"}.get(options.delimiter, options.delimiter)
    bounds = TimeBounds.around(now_us(), retention=_settings(request).retention_days * DAY)
    return reply(preview(head[:PREVIEW_BYTES], separator, bounds))


@router.get("/imports/template", summary="A file to start from", response_class=Response)
async def get_template(_: Viewer) -> Response:
    """The columns, and two rows of an hour ago that show how they are written."""
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    rows = [
        COLUMNS,
        ("greenhouse-1", "temperature", f"{at:%Y-%m-%dT%H:%M:%SZ}", "21.5", "°C", "a note, or nothing"),
        ("greenhouse-1", "humidity", f"{at:%Y-%m-%dT%H:%M:%SZ}", "63", "%", ""),
    ]
    return _csv(_csv_text(rows), "telltale-template.csv")


@router.get("/imports", summary="List imports", response_model=Page[Import])
async def get_imports(principal: Viewer, connection: Reading, query: Annotated[ImportQuery, Query()]) -> Response:
    """Everybody's, newest first."""
    window = Window.of(query.limit, query.cursor, Place)
    found, total = await list_imports(connection, query, window, undoable_by=_undoable_by(principal))
    return reply(Page.cut(found, window, total, lambda one: Place(one.id)))


@router.get("/imports/{import_id}", summary="One import", response_model=Import, responses=MISSING)
async def get_import(principal: Viewer, engine: Engine, import_id: ImportId) -> Response:
    """How far it is, and what became of its rows."""
    return await _shown(engine, principal, import_id)


@router.get(
    "/imports/{import_id}/errors", summary="What is wrong in the file", response_model=Page[Mistake],
    responses={**MISSING, **CSV_OR_JSON},
)  # fmt: skip
async def get_errors(
    principal: Viewer, engine: Engine, import_id: ImportId, query: Annotated[ErrorQuery, Query()]
) -> Response:
    """By line, column and value, with the reason. The first 10,000 are kept, for a month; the import counts all."""
    del principal
    async with engine.connect() as connection:
        if await show_import(connection, import_id, undoable_by="") is None:
            raise NotFound("there is no such import")
        if query.format == "json":
            window = Window.of(query.limit, query.cursor, Place)
            found, total = await list_mistakes(connection, import_id, window)
            page = Page.cut(found, window, total, lambda one: Place(one[0]))
            return reply(
                Page(
                    [mistake for _, mistake in page.items], page.next_cursor, page.previous_cursor, page.total,
                    page.total_is_exact,
                )
            )  # fmt: skip
    return StreamingResponse(
        _mistakes_as_csv(engine, import_id), media_type="text/csv; charset=utf-8",
        headers=_attachment(f"telltale-import-{import_id}-errors.csv"),
    )  # fmt: skip


async def _mistakes_as_csv(engine: AsyncEngine, import_id: int) -> AsyncIterator[str]:
    yield _csv_text([("line", "column", "value", "reason")])
    after = 0
    while True:
        async with engine.connect() as connection:
            some = await read_mistakes(connection, import_id, after=after, limit=MISTAKES_AT_ONCE)
        if not some:
            return
        yield _csv_text([(one.line, guard(one.column or ""), guard(one.value or ""), one.reason) for _, one in some])
        after = some[-1][0]


@router.post(
    "/imports/{import_id}/apply", summary="Apply a file that was checked", status_code=202, response_model=Import,
    responses={**MISSING, **NOT_NOW},
)  # fmt: skip
async def post_apply(principal: User, engine: Engine, request: Request, import_id: ImportId) -> Response:
    """After a dry run: stores the rows that were good then."""
    await apply_import(engine, actor_of(principal, request), import_id, owned_by=owner_seen_by(principal))
    return await _shown(engine, principal, import_id, status=202)


@router.delete(
    "/imports/{import_id}", summary="Undo an import", status_code=202, response_model=Import,
    responses={**MISSING, **NOT_NOW},
)  # fmt: skip
async def delete_import(principal: User, engine: Engine, request: Request, import_id: ImportId) -> Response:
    """Removes what it stored and gives back what it replaced; what somebody changed since stays, and is counted.

    One that was only checked is forgotten, one that still runs is stopped and leaves nothing behind. Your own imports;
    any as an administrator.
    """
    await undo_import(engine, actor_of(principal, request), import_id, owned_by=owner_seen_by(principal))
    return await _shown(engine, principal, import_id, status=202)


async def _shown(engine: AsyncEngine, principal: Principal, import_id: int, *, status: int = 200) -> Response:
    async with engine.connect() as connection:
        found = await show_import(connection, import_id, undoable_by=_undoable_by(principal))
    if found is None:
        raise NotFound("there is no such import")
    return reply(found, status=status)


def _csv_text(rows: list[tuple[object, ...]] | list[Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _csv(text: str, name: str) -> Response:
    return Response(text, media_type="text/csv; charset=utf-8", headers=_attachment(name))
