"""What is decided about imports: how a file comes in, and what may be done with an import in which state."""

import asyncio
import hashlib
import secrets
import time
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.imports.handlers import APPLY, IMPORT, UNDO, begin_apply, target_of
from telltale_query.imports.repository import (
    change_import,
    count_unfinished,
    create_import,
    forget_import,
    is_undoable,
    read_import,
)
from telltale_query.imports.schemas import ImportOptions, ImportRecord, ImportState
from telltale_query.imports.upload import Upload
from telltale_query.jobs.beginning import begin_once
from telltale_query.jobs.files import PIECE_BYTES, forget_file, write_piece
from telltale_query.jobs.repository import (
    create_job,
    delete_job,
    hand_back,
    is_job_of,
    renew_lease,
    request_cancel,
    take_job,
)
from telltale_query.jobs.schemas import Claim
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, Forbidden, InvalidRequest, NotFound, TooManyRequests
from telltale_shared.store.audit import Actor, write_audit

log = structlog.get_logger("telltale.query.imports")

UPLOAD_LEASE_SECONDS = 150.0
"""An upload whose process dies is noticed and ended by the jobs process after that."""
RENEW_SECONDS = 30.0
UNFINISHED_MAX = 10
"""Imports of one account that are being sent, checked or applied at the same time."""


async def receive_file(engine: AsyncEngine, actor: Actor, upload: Upload, options: ImportOptions) -> int:
    """Take in a file and ask for its import. Returns the id of the import.

    While the file comes, its job exists already and the lease of it is ours: so nobody begins it, and if this process
    dies, somebody ends it. Nothing is left of an upload that breaks off.

    Raises:
        InvalidRequest: the file is empty.
        Problem: the file is too large, the client has stopped, or too many imports are at work.
    """
    import_id, claim = await _begun(engine, actor, upload.file_name, options)
    try:
        size, digest = await _receive_pieces(engine, claim, upload)
        await in_transaction(engine, partial(_complete, import_id=import_id, claim=claim, size=size, digest=digest))
    except BaseException:
        await asyncio.shield(_abandon(engine, import_id, claim))
        raise
    return import_id


async def _begun(engine: AsyncEngine, actor: Actor, file_name: str, options: ImportOptions) -> tuple[int, Claim]:
    """A new import, and the lease of its job."""
    begun: list[tuple[int, Claim]] = []

    async def work(connection: AsyncConnection) -> int:
        begun.append(await _begin(connection, actor, file_name, options))
        return begun[-1][1].id

    await begin_once(engine, actor, IMPORT, work)
    return begun[-1]


async def _begin(
    connection: AsyncConnection, actor: Actor, file_name: str, options: ImportOptions
) -> tuple[int, Claim]:
    if await count_unfinished(connection, actor) >= UNFINISHED_MAX:
        raise TooManyRequests(f"{UNFINISHED_MAX} imports of yours are at work: wait until one has ended, or stop it")
    job_id = await create_job(connection, actor, IMPORT, {})
    import_id = await create_import(connection, actor, job_id, file_name, options)
    owner = f"upload:{secrets.token_hex(8)}"
    return import_id, await take_job(
        connection, job_id, owner, phase="uploading", parameters={"import_id": import_id},
        lease_seconds=UPLOAD_LEASE_SECONDS,
    )  # fmt: skip


async def _receive_pieces(engine: AsyncEngine, claim: Claim, upload: Upload) -> tuple[int, bytes]:
    """Store the file. Returns its size in bytes and its SHA-256.

    Raises:
        InvalidRequest: there is nothing in it.
    """
    digest = hashlib.sha256()
    held = bytearray()
    number = size = 0
    renewed_at = time.monotonic()
    async for content in upload.content():
        digest.update(content)
        size += len(content)
        held += content
        while len(held) >= PIECE_BYTES:
            await in_transaction(engine, partial(_store_piece, claim=claim, number=number, content=held[:PIECE_BYTES]))
            del held[:PIECE_BYTES]
            number, renewed_at = number + 1, time.monotonic()
        if time.monotonic() - renewed_at > RENEW_SECONDS:
            await in_transaction(engine, partial(_renew, claim=claim))
            renewed_at = time.monotonic()
    if held:
        await in_transaction(engine, partial(_store_piece, claim=claim, number=number, content=held))
    if not size:
        raise InvalidRequest("the file is empty: its first line names the columns")
    return size, digest.digest()


async def _renew(connection: AsyncConnection, claim: Claim) -> None:
    if await renew_lease(connection, claim, lease_seconds=UPLOAD_LEASE_SECONDS):
        raise Conflict("this import was cancelled while its file came")


async def _store_piece(connection: AsyncConnection, claim: Claim, number: int, content: bytearray) -> None:
    await _renew(connection, claim)
    await write_piece(connection, claim.id, number, bytes(content))


async def _complete(connection: AsyncConnection, import_id: int, claim: Claim, size: int, digest: bytes) -> None:
    record = await read_import(connection, import_id, lock=True)
    if record is not None and record.complete:
        return  # the attempt before has committed, and only the answer to it was lost: somebody may be at it already
    await change_import(connection, import_id, file_bytes=size, sha256=digest)
    await hand_back(connection, claim)


async def _abandon(engine: AsyncEngine, import_id: int, claim: Claim) -> None:
    async def forget(connection: AsyncConnection) -> bool:
        # Once the lease is somebody else's, it is for them to end the import.
        ours = await delete_job(connection, claim)
        if ours:
            await forget_import(connection, import_id)
        return ours

    log.info("upload abandoned", import_id=import_id)
    if await in_transaction(engine, forget):
        await forget_file(engine, claim.id)


async def apply_import(engine: AsyncEngine, actor: Actor, import_id: int, *, owned_by: str | None) -> None:
    """Store the rows of a file that was checked.

    Raises:
        NotFound: there is no such import.
        Forbidden: it is somebody else's.
        Conflict: it is not in the state for that.
    """

    async def work(connection: AsyncConnection) -> int:
        record = await _lock(connection, import_id, owned_by)
        if record.state is not ImportState.CHECKED:
            raise Conflict(f"this import is {record.state}: only one that was checked and nothing more can be applied")
        job_id = await create_job(connection, actor, APPLY, {"import_id": import_id})
        await begin_apply(connection, actor, record, job_id=job_id, finished_at=None)
        return job_id

    await begin_once(engine, actor, APPLY, work)


async def undo_import(engine: AsyncEngine, actor: Actor, import_id: int, *, owned_by: str | None) -> None:
    """Make it as if the import had not been: undo what was applied, forget what was checked, stop what runs.

    Raises:
        NotFound: there is no such import.
        Forbidden: it is somebody else's.
        Conflict: there is nothing to undo.
    """
    # What an attempt has done that may have been committed, although its answer was lost.
    job_id: int | None = None
    forgotten = False

    async def work(connection: AsyncConnection) -> None:
        nonlocal job_id, forgotten
        record = await _lock(connection, import_id, owned_by)
        if job_id is not None and await is_job_of(connection, job_id, actor, UNDO):
            return
        if is_undoable(record.state, record.rows):
            job_id = await create_job(connection, actor, UNDO, {"import_id": import_id})
            await change_import(
                connection, import_id, state=ImportState.UNDOING.value, undo_job_id=job_id, problem=None
            )
            after = {"stored": record.rows.stored, "replaced": record.rows.replaced}
            await write_audit(connection, actor, "import.undo", target_of(record), before=after, outcome="begun")
        elif record.state is ImportState.CHECKED:
            await change_import(connection, import_id, state=ImportState.CANCELLED.value)
            forgotten = True
        elif record.state in (ImportState.CHECKING, ImportState.APPLYING):
            await request_cancel(connection, record.job_id)
        elif not (forgotten and record.state is ImportState.CANCELLED):
            raise Conflict(f"this import is {record.state}: there is nothing to undo")

    await in_transaction(engine, work)


async def _lock(connection: AsyncConnection, import_id: int, owned_by: str | None) -> ImportRecord:
    record = await read_import(connection, import_id, lock=True)
    if record is None:
        raise NotFound("there is no such import")
    if owned_by is not None and record.owner.id != owned_by:
        raise Forbidden(f"this is an import of {record.owner.name}: only they and administrators may change it")
    return record
