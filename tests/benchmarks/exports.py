"""How fast records become files, and in how much memory: Excel beside XlsxWriter alone, CSV and Parquet.

    python tests/benchmarks/exports.py [--sizes 100000 1000000 3000000] [--folder DIR] [--keep] [--reuse]

Each file is made by the job that a request begins, in a process of its own and from a loaded store (200 series at 1 Hz,
newest record first, as the list shows it), and includes storing the file in the database. XlsxWriter alone gets as many
rows of the same eight columns (of which these records fill five), taken from memory, and writes them to a file with its
own cheapest calls.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from large_store.folder import ROOT, opened
from large_store.readings import BEGINS, Readings
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

TARGET = 15_000
ALONE = "alone"
_READ = text("""
SELECT source, category, observed_at, value, unit FROM records JOIN series ON series.id = series_id
WHERE series_id <= 20 LIMIT 20000
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
    end = BEGINS + timedelta(seconds=rows / 200)
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
            source, category, at, value, unit = some[n % len(some)]
            sheet.write_string(row, 0, source, word)
            sheet.write_string(row, 1, category, word)
            sheet.write_datetime(row, 2, at, instant)
            sheet.write_number(row, 3, value)
            sheet.write_string(row, 4, unit, word)
        book.close()
        return Run(rows, time.monotonic() - began, _peak(), path.stat().st_size)


def _peak() -> float:
    """MiB of this process at most. (What getrusage says begins with the memory of the process that forked it.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measured(kind: str, rows: int, environment: dict[str, str]) -> Run:
    """One run in a process of its own."""
    command = (sys.executable, __file__, "--child", kind, "--sizes", str(rows))
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    made, seconds, peak, size = answer.split()[-4:]
    return Run(int(made), float(seconds), float(peak), int(size))


def child(kind: str, rows: int) -> None:
    """Measure one run and print it for :func:`measured`."""
    run = asyncio.run(alone(rows) if kind == ALONE else export(kind, rows))
    print(run.rows, run.seconds, run.peak, run.size)


def report(name: str, run: Run, note: str = "") -> None:
    """One line of the table."""
    print(
        f"{name:18} {run.rows:>10,} rows {run.rate:>10,.0f} rows/s {run.seconds:>7.1f} s {run.peak:>6.0f} MiB at most "
        f"{run.size / run.rows:>5.0f} bytes a row {note}",
        flush=True,
    )


def measure(sizes: list[int], environment: dict[str, str]) -> None:
    """Print all runs, those to be compared side by side."""
    peaks = []
    for rows in sizes:
        baseline = measured(ALONE, rows, environment)
        report("XlsxWriter alone", baseline)
        run = measured("xlsx", rows, environment)
        peaks.append(run.peak)
        verdict = "reached" if run.rate >= TARGET else "NOT reached"
        report("Excel", run, f"{run.rate / baseline.rate:.2f} of XlsxWriter alone; {TARGET:,} rows/s {verdict}")
        for kind, name in (("csv", "CSV"), ("parquet", "Parquet")):
            report(name, measured(kind, rows, environment))
    print(f"memory of Excel exports from the smallest to the largest: {' '.join(f'{peak:.0f}' for peak in peaks)} MiB")


def main() -> None:
    """Parse the arguments, load what is missing, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 3_000_000])
    parser.add_argument("--folder", type=Path, default=ROOT / ".run/bench-exports")
    parser.add_argument("--keep", action="store_true", help="leave the loaded store in the folder")
    parser.add_argument(
        "--reuse", action="store_true", help="use the store that is in the folder, if it is large enough"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.sizes[0])
        return
    readings = Readings(max(arguments.sizes), 200)
    with opened(arguments.folder, readings, keep=arguments.keep, reuse=arguments.reuse) as store:
        url, password = store.url, store.servers.mariadb_password
        measure(arguments.sizes, {**os.environ, "BENCH_URL": url, "BENCH_PASSWORD": password})


if __name__ == "__main__":
    main()
