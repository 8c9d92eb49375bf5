"""How fast a CSV file becomes records, what memory that takes, and what it leaves to readings that come in.

A file is written by sample_data/generate.py, uploaded to a query process and imported by a jobs process, both as
`make up` runs them, over private servers. The clock runs from the first byte of the upload to the last commit; the
memory is the largest that the kernel has seen of the jobs process. Then a writer empties a queue full of readings,
alone (before and after) and while such an import is being checked and applied.

Usage: python tests/benchmarks/imports.py [--rows 1000000] [--series 100] [--ingest 2000000] [--rounds 1]
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from ingest import OPTIONS, STACK, TABLES, Bench, Drained, Load
from services import Service, Services

from telltale_shared.testing import Access, Servers

ROOT = Path(__file__).resolve().parents[2]
IMPORT_TABLES = "imports import_chunks import_series import_errors import_replacements jobs job_files horizons"
SKETCHES = "sketches_minute sketches_hour sketches_day"
PATIENCE = 1_800


def write_file(path: Path, rows: int, series: int) -> None:
    """A reading a second of each series, up to this hour."""
    command = [sys.executable, str(ROOT / "sample_data/generate.py"), "--rows", str(rows), "--series", str(series)]
    subprocess.run([*command, "--interval", "1", "--output", str(path)], check=True)


def upload(client: httpx.Client, path: Path) -> int:
    """Send the file; the id of its import."""
    with path.open("rb") as file:
        answer = client.post("/imports", files={"file": (path.name, file, "text/csv")})
    answer.raise_for_status()
    return int(answer.json()["id"])


def wait(client: httpx.Client, import_id: int, until: Callable[[Any], bool]) -> Any:
    """The import once it is as ``until`` wants it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        one = client.get(f"/imports/{import_id}").json()
        if until(one):
            return one
        if one["state"] in ("failed", "rejected", "cancelled"):
            raise RuntimeError(f"the import ended as {one['state']}: {one['job']}")
        time.sleep(0.1)
    raise RuntimeError(f"not within {PATIENCE} s: {one}")


def phase_is(*phases: str) -> Callable[[Any], bool]:
    """Whether the job of an import is in one of ``phases``, or past them."""
    return lambda one: one["job"]["phase"] in phases or one["state"] == "applied"


def empty(bench: Bench) -> None:
    """No records, no imports."""
    for table in f"{TABLES} {SKETCHES} {IMPORT_TABLES}".split():
        bench.sql(f"TRUNCATE {table}")


class Stopwatch:
    """What the steps of an import take, in time and in processor.

    Args:
        processes: by name, what tells the seconds of processor that it has had.
    """

    def __init__(self, processes: Mapping[str, Callable[[], float]]) -> None:
        self._processes = processes
        self._marks = [("", time.monotonic(), self._cpu())]

    def _cpu(self) -> dict[str, float]:
        return {name: seconds() for name, seconds in self._processes.items()}

    def mark(self, name: str) -> None:
        """A step has ended."""
        self._marks.append((name, time.monotonic(), self._cpu()))

    @property
    def seconds(self) -> float:
        """From the beginning to the last mark."""
        return self._marks[-1][1] - self._marks[0][1]

    def report(self, rows: int) -> None:
        """Print a line per step."""
        for (_, before, cpu_before), (name, at, cpu) in pairwise(self._marks):
            shares = ", ".join(f"{process} {(cpu[process] - cpu_before[process]) / rows * 1e6:.2f}" for process in cpu)
            print(f"  {name:10} in {at - before:6.1f} s; µs of processor a row: {shares}")


def measure_import(bench: Bench, services: Services, query: Service, path: Path, rows: int) -> None:
    """Print the rate, the phases and the memory of one import into an empty database."""
    empty(bench)
    jobs = services.start("telltale_query.jobs", "QUERY_JOBS_PORT")
    idle = jobs.peak_mib
    processes = {"jobs": jobs.cpu_seconds, "query": query.cpu_seconds, "MariaDB": bench.server_cpu_seconds}
    with services.client(query) as client:
        stopwatch = Stopwatch(processes)
        import_id = upload(client, path)
        stopwatch.mark("uploaded")
        for name, until in (
            ("checked", phase_is("sorting", "applying")),
            ("sorted", phase_is("applying")),
            ("applied", lambda one: one["state"] == "applied"),
        ):
            one = wait(client, import_id, until)
            stopwatch.mark(name)
    stored = int(bench.sql("SELECT COUNT(*) FROM records").split()[-1])
    assert stored == one["rows"]["stored"] == rows, f"stored {stored} of {rows}: {one['rows']}"
    size = path.stat().st_size / 2**20
    print(f"import of {rows:,} rows ({size:,.0f} MiB): {rows / stopwatch.seconds:,.0f} rows/s (target: 100,000)")
    stopwatch.report(rows)
    print(
        f"  memory of the jobs process at most {jobs.peak_mib:.0f} MiB ({idle:.0f} at its start), "
        f"of the query process {query.peak_mib:.0f} MiB"
    )
    complain("jobs", jobs)
    services.stop(jobs)


async def measure_ingest(bench: Bench, services: Services, query: Service, path: Path, load: Load) -> None:
    """Print how fast the writer empties its queue, alone and beside an import."""
    before = await drain_alone(bench, services, load)
    jobs = services.start("telltale_query.jobs", "QUERY_JOBS_PORT")
    beside = {
        phase: await drain_beside(bench, services, query, path, load, phase) for phase in ("checking", "applying")
    }
    complain("jobs", jobs)
    services.stop(jobs)
    after = await drain_alone(bench, services, load)
    alone = (before.rate + after.rate) / 2
    print(f"ingest of {load.readings:,} alone: {before.rate:,.0f} before, {after.rate:,.0f} readings/s after")
    for phase, (drained, progress) in beside.items():
        share = drained.rate / alone
        print(
            f"  beside an import that is {phase}: {drained.rate:,.0f} readings/s, {share:.2f} of alone (target: 0.70)"
        )
        print(f"    {progress}")


async def drain_alone(bench: Bench, services: Services, load: Load) -> Drained:
    """Empty the queue while nothing else runs."""
    empty(bench)
    await bench.fill(load, "bench-alone")
    return await drain(bench, services, load)


async def drain_beside(
    bench: Bench, services: Services, query: Service, path: Path, load: Load, phase: str
) -> tuple[Drained, str]:
    """Empty the queue from when an import is in ``phase`` on. Also returns how far the import got meanwhile."""
    empty(bench)
    await bench.fill(load, f"bench-{phase}")
    with services.client(query) as client:
        import_id = await asyncio.to_thread(upload, client, path)
        await asyncio.to_thread(wait, client, import_id, phase_is(phase))
        before = client.get(f"/imports/{import_id}").json()
        drained = await drain(bench, services, load)
        after = client.get(f"/imports/{import_id}").json()
        await asyncio.to_thread(wait, client, import_id, lambda one: one["state"] == "applied")
    began, ended = (f"{one['job']['phase']} {one['job']['rows_done']:,}" for one in (before, after))
    late = " (it ended meanwhile: take more rows)" if after["state"] == "applied" else ""
    return drained, f"the import went from {began} to {ended} in {drained.seconds:.1f} s{late}"


async def drain(bench: Bench, services: Services, load: Load) -> Drained:
    """Start a writer on the full queue and watch it until all is committed."""
    writer = services.start("telltale_writer", "WRITER_PORT")
    drained = await bench.watch(psutil.Process(writer.process.pid), load.readings)
    complain("writer", writer)
    services.stop(writer)
    return drained


def complain(name: str, service: Service) -> None:
    """Print what a service has logged as a warning or worse: a failed batch would be among it."""
    lines = service.complaints()
    print(f"  {name}: {len(lines)} warnings" + "".join(f"\n    {line[:300]}" for line in lines[:5]))


async def main() -> None:
    """Parse the arguments, start the servers, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--ingest", type=int, default=2_000_000, help="readings in the queue; 0 leaves that part out")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    subprocess.run([*STACK, "servers-up", *OPTIONS], check=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / "rows.csv"
            write_file(path, arguments.rows, arguments.series)
            bench = Bench(Servers.read(Path(OPTIONS[1])))
            await bench.prepare()
            password = bench.servers.mariadb_password
            with Services(
                Access(bench.url, password), Access(bench.address.url, bench.address.password), folder
            ) as own:
                query = own.start("telltale_query", "QUERY_PORT")
                for _ in range(arguments.rounds):
                    await asyncio.to_thread(measure_import, bench, own, query, path, arguments.rows)
                if arguments.ingest:
                    load = Load.of(arguments.ingest, arguments.series)
                    await measure_ingest(bench, own, query, path, load)
    finally:
        subprocess.run([*STACK, "servers-down", *OPTIONS], check=True)


if __name__ == "__main__":
    asyncio.run(main())
