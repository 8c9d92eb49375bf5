"""The job that makes a file and keeps it, for as long as it takes."""

import asyncio
import errno
import hashlib
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from xlsxwriter.exceptions import FileCreateError

from telltale_query.exports.schemas import ExportQuery
from telltale_query.exports.scratch import PREFIX
from telltale_query.exports.service import Exporter
from telltale_query.jobs.files import PIECE_BYTES, forget_file, write_piece
from telltale_query.jobs.run import Cancelled, JobFailed, JobRun
from telltale_shared.database import in_transaction
from telltale_shared.errors import InvalidRequest

log = structlog.get_logger("telltale.query.exports")


class ExportJob:
    """Makes the file of a job.

    It is written to a file without a name on this machine, and moved into the database once it is complete. An attempt
    that was interrupted begins anew: what it had written was only here.

    Args:
        max_rows: records at most in one file.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows

    async def __call__(self, run: JobRun) -> Mapping[str, Any]:
        """Make the file.

        Raises:
            JobFailed: it would hold more records than it may, or than there is room for.
            Cancelled: nobody wants it any more; nothing of it is left.
        """
        await forget_file(run.engine, run.job.id)
        try:
            with TemporaryFile(prefix=PREFIX) as output:
                rows = await self._write(run, output)
                await run.progress(phase="storing", rows_done=rows, rows_total=rows)
                size, sha256 = await _store(run, output)
        except Cancelled:
            await forget_file(run.engine, run.job.id)
            raise
        except InvalidRequest as error:
            raise JobFailed(error.detail) from error
        except (OSError, FileCreateError) as error:
            # XlsxWriter wraps what happens while it completes a workbook.
            cause = error.args[0] if isinstance(error, FileCreateError) else error
            if getattr(cause, "errno", None) not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            log.warning("no room for an export", error=str(cause))
            raise JobFailed(
                "there is no room on disk for a file of this size: export less, or tell whoever runs this"
            ) from error
        return {"rows": rows, "bytes": size, "sha256": sha256}

    async def _write(self, run: JobRun, output: BinaryIO) -> int:
        exporter = Exporter(run.engine, max_rows=self._max_rows)
        query = ExportQuery.model_validate(run.job.parameters["query"])
        selection, total = await exporter.select(query, at_most=self._max_rows)
        await run.progress(phase="writing", rows_done=0, rows_total=total)

        async def report(rows: int) -> None:
            await run.checkpoint()
            await run.progress(rows_done=rows)

        return await exporter.write(
            output, selection, query, made_by=run.job.actor.name, at_most=self._max_rows, on_progress=report
        )


async def _store(run: JobRun, output: BinaryIO) -> tuple[int, str]:
    """Move the file into the database. Returns its bytes and their SHA-256."""
    digest = hashlib.sha256()
    size = piece = 0
    output.seek(0)
    while content := await asyncio.to_thread(output.read, PIECE_BYTES):
        await run.checkpoint()

        async def step(connection: AsyncConnection, piece: int = piece, content: bytes = content) -> None:
            await run.hold(connection)
            await write_piece(connection, run.job.id, piece, content)

        await in_transaction(run.engine, step)
        digest.update(content)
        size += len(content)
        piece += 1
    return size, digest.hexdigest()
