"""Files of jobs: uploads and results, in the database in pieces, so that any copy of any process can read them.

The one way in and out is piece by piece: nothing here holds a whole file.
"""

from collections.abc import AsyncIterator

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import in_transaction
from telltale_shared.store.schema import job_files

PIECE_BYTES = 1 << 20
FORGOTTEN_AT_ONCE = 16
"""Pieces in one transaction: small, so that nothing waits for it."""

_WRITE = text("REPLACE INTO job_files (job_id, piece, content) VALUES (:job_id, :piece, :content)")
_FORGET = text("DELETE FROM job_files WHERE job_id = :job_id ORDER BY piece LIMIT :limit")
# Files of jobs that ended long ago, and those whose job is gone.
_OUTDATED = text("""
SELECT DISTINCT job_files.job_id FROM job_files LEFT JOIN jobs ON jobs.id = job_files.job_id
WHERE jobs.id IS NULL OR jobs.finished_at < UTC_TIMESTAMP(6) - INTERVAL :hours HOUR
LIMIT 100
""")


async def write_piece(connection: AsyncConnection, job_id: int, piece: int, content: bytes) -> None:
    """Store piece number ``piece`` (0, 1, 2, …) of the job's file; again, it replaces what was there.

    Args:
        connection: in the caller's transaction.
        job_id: whose file.
        piece: its position.
        content: at most ``PIECE_BYTES``.
    """
    await connection.execute(_WRITE, {"job_id": job_id, "piece": piece, "content": content})


async def read_piece(engine: AsyncEngine, job_id: int, piece: int) -> bytes | None:
    """Piece number ``piece`` of the job's file, or None past its end."""
    async with engine.connect() as connection:
        content: bytes | None = (
            await connection.execute(
                select(job_files.c.content).where(job_files.c.job_id == job_id, job_files.c.piece == piece)
            )
        ).scalar()
    return content


async def read_pieces(engine: AsyncEngine, job_id: int) -> AsyncIterator[bytes]:
    """The job's file, a short read for each piece."""
    piece = 0
    while (content := await read_piece(engine, job_id, piece)) is not None:
        yield content
        piece += 1


async def forget_file(engine: AsyncEngine, job_id: int) -> None:
    """Delete the job's file in small steps."""
    values = {"job_id": job_id, "limit": FORGOTTEN_AT_ONCE}

    async def step(connection: AsyncConnection) -> int:
        return int((await connection.execute(_FORGET, values)).rowcount)

    while await in_transaction(engine, step) == FORGOTTEN_AT_ONCE:
        pass


async def outdated_files(engine: AsyncEngine, *, hours: int) -> list[int]:
    """Some jobs whose files nobody needs any more: they ended more than ``hours`` ago, or are forgotten."""
    async with engine.connect() as connection:
        return list((await connection.execute(_OUTDATED, {"hours": hours})).scalars())
