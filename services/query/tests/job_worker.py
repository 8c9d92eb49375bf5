"""A jobs process for tests: it knows one kind, which writes ``rows`` pieces one after another, and takes its time."""

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from telltale_query.jobs.files import write_piece
from telltale_query.jobs.run import JobRun, Kind
from telltale_query.jobs.runner import Runner
from telltale_shared.database import create_engine, in_transaction
from telltale_shared.store.schema import job_files

KIND = "count"


async def count(run: JobRun) -> Mapping[str, Any]:
    """Write the pieces that are not there yet, each in a transaction that holds the lease."""
    total = run.job.parameters["rows"]
    async with run.engine.connect() as connection:
        query = select(func.count()).select_from(job_files).where(job_files.c.job_id == run.job.id)
        done = (await connection.execute(query)).scalar_one()
    for piece in range(done, total):
        await run.checkpoint()

        async def step(connection: Any, piece: int = piece) -> None:
            await write_piece(connection, run.job.id, piece, str(os.getpid()).encode())
            await run.progress(phase="counting", rows_done=piece + 1, rows_total=total, connection=connection)

        await in_transaction(run.engine, step)
        await asyncio.sleep(run.job.parameters["seconds"])
    return {"rows": total}


async def main() -> None:
    engine = create_engine(os.environ["DATABASE_URL"], os.environ["DATABASE_PASSWORD"])
    working = asyncio.create_task(Runner(engine, {KIND: Kind(count)}).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    await asyncio.wait({working})
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
