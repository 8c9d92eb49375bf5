"""One file, made in a process that loads nothing else: what ``exports.py`` starts for each figure.

    python tests/benchmarks/export_run.py xlsx|csv|parquet|alone ROWS

The database is that of ``BENCH_URL`` and ``BENCH_PASSWORD``; its records are those of 200 series at 1 Hz from
``BENCH_BEGINS`` on.
"""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from xlsxwriter import Workbook

from telltale_query.exports.job import ExportJob
from telltale_query.exports.schemas import KIND, ExportQuery
from telltale_query.jobs.files import forget_file
from telltale_query.jobs.repository import create_job
from telltale_query.jobs.run import Kind
from telltale_query.jobs.runner import Runner
from telltale_shared.database import create_engine, in_transaction
from telltale_shared.store.audit import Actor
from telltale_shared.store.schema import jobs

SERIES = 200
ALONE = "alone"
_READ = text("""
SELECT source, category, records.observed_at, records.value, unit, note, score, verdict FROM records
JOIN series ON series.id = records.series_id JOIN anomalies USING (series_id, observed_at)
WHERE records.series_id <= 20 LIMIT 20000
""")


@dataclass(frozen=True)
class Run:
    """One file."""

    rows: int
    seconds: float
    peak: float
    """MiB of the process at most."""
    size: int
    """Bytes."""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def engine() -> AsyncEngine:
    """To the store of the environment."""
    return create_engine(os.environ["BENCH_URL"], os.environ["BENCH_PASSWORD"])


async def export(kind: str, rows: int) -> Run:
    """Make a file of about ``rows`` records, as the jobs process does."""
    store = engine()
    end = datetime.fromisoformat(os.environ["BENCH_BEGINS"]) + timedelta(seconds=rows / SERIES)
    query = ExportQuery.model_validate({"format": kind, "to": end.isoformat()})
    parameters = {"query": query.model_dump(mode="json", by_alias=True, exclude_unset=True), "file_name": "bench"}
    job = await in_transaction(store, lambda c: create_job(c, Actor("bench", "Bench"), KIND, parameters))
    began = time.monotonic()
    await Runner(store, {KIND: Kind(ExportJob(max_rows=100_000_000), heavy=False)}).work_once(heavy=False)
    seconds = time.monotonic() - began
    async with store.connect() as connection:
        done = (await connection.execute(select(jobs).where(jobs.c.id == job))).one()
    if done.state != "done":
        raise SystemExit(f"the export ended as {done.state}: {done.problem}")
    await forget_file(store, job)
    await store.dispose()
    return Run(done.result["rows"], seconds, _peak(), done.result["bytes"])


async def alone(rows: int) -> Run:
    """Have XlsxWriter write ``rows`` rows that are there already."""
    store = engine()
    async with store.connect() as connection:
        some = [tuple(row) for row in await connection.execute(_READ)]
    await store.dispose()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "alone.xlsx"
        began = time.monotonic()
        book = Workbook(path, {"constant_memory": True, "tmpdir": folder, "strings_to_urls": False})
        instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        word = book.add_format({"num_format": "@"})
        for n in range(rows):
            row = n % 1_000_000
            if row == 0:
                sheet = book.add_worksheet()
            source, category, at, value, unit, note, score, verdict = some[n % len(some)]
            sheet.write_string(row, 0, source, word)
            sheet.write_string(row, 1, category, word)
            sheet.write_datetime(row, 2, at, instant)
            sheet.write_number(row, 3, value)
            sheet.write_string(row, 4, unit, word)
            sheet.write_string(row, 5, note, word)
            sheet.write_number(row, 6, score)
            sheet.write_string(row, 7, verdict, word)
        book.close()
        return Run(rows, time.monotonic() - began, _peak(), path.stat().st_size)


def _peak() -> float:
    """MiB of this process at most. (What getrusage says begins with the memory of the process that forked it.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Measure one run and print its figures."""
    kind, rows = sys.argv[1], int(sys.argv[2])
    run = asyncio.run(alone(rows) if kind == ALONE else export(kind, rows))
    print(run.rows, run.seconds, run.peak, run.size)


if __name__ == "__main__":
    main()
