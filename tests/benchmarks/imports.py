"""How fast a CSV file becomes records, what memory that takes, and what it leaves to readings that come in.

A file is written by sample_data/generate.py, uploaded to a query process and imported by a jobs process, both as
`make up` runs them, over private servers. The clock runs from the first byte of the upload to the last commit; the
memory is the largest that the kernel has seen of the jobs process. Then a writer empties a queue full of readings,
alone and while such an import is being checked and applied. Of that queue the writer holds 200,000 readings at a time,
which an import cannot see: take several times as many.

Usage: python tests/benchmarks/imports.py [--rows 1000000] [--series 100] [--ingest 2000000] [--rounds 1]
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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


def measure_import(bench: Bench, services: Services, query: Service, path: Path, rows: int) -> None:
    """Print the rate, the phases and the memory of one import into an empty database."""
    empty(bench)
    jobs = services.start("telltale_query.jobs", "QUERY_JOBS_PORT")
    idle = jobs.peak_mib
    with services.client(query) as client:
        began = time.monotonic()
        import_id = upload(client, path)
        marks = [("uploaded", time.monotonic() - began)]
        for name, until in (
            ("checked", phase_is("sorting", "applying")),
            ("sorted", phase_is("applying")),
            ("applied", lambda one: one["state"] == "applied"),
        ):
            one = wait(client, import_id, until)
            marks.append((name, time.monotonic() - began))
    elapsed = marks[-1][1]
    stored = int(bench.sql("SELECT COUNT(*) FROM records").split()[-1])
    assert stored == one["rows"]["stored"] == rows, f"stored {stored} of {rows}: {one['rows']}"
    steps = ", ".join(f"{name} {at:.1f} s" for name, at in marks)
    print(f"import of {rows:,} rows ({path.stat().st_size / 2**20:,.0f} MiB): {rows / elapsed:,.0f} rows/s")
    print(f"  {steps}")
    print(
        f"  memory of the jobs process at most {jobs.peak_mib:.0f} MiB ({idle:.0f} at its start), "
        f"of the query process {query.peak_mib:.0f} MiB"
    )
    complain("jobs", jobs)
    services.stop(jobs)


async def measure_ingest(bench: Bench, services: Services, query: Service, path: Path, load: Load) -> None:
    """Print how fast the writer empties its queue, alone and beside an import."""
    empty(bench)
    await bench.fill(load, "bench-alone")
    alone = await drain(bench, services, load)
    print(f"ingest alone: {alone.rate:,.0f} readings/s")
    jobs = services.start("telltale_query.jobs", "QUERY_JOBS_PORT")
    for phase in ("checking", "applying"):
        empty(bench)
        await bench.fill(load, f"bench-{phase}")
        with services.client(query) as client:
            import_id = await asyncio.to_thread(upload, client, path)
            await asyncio.to_thread(wait, client, import_id, phase_is(phase))
            before = client.get(f"/imports/{import_id}").json()
            beside = await drain(bench, services, load)
            after = client.get(f"/imports/{import_id}").json()
            share = beside.rate / alone.rate
            ended = " (it ended meanwhile: take more rows)" if after["state"] == "applied" else ""
            print(
                f"ingest while an import is {phase}: {beside.rate:,.0f} readings/s, {share:.2f} of alone (target: at "
                f"least 0.70); the import went from {before['job']['phase']} {before['job']['rows_done']:,} to "
                f"{after['job']['phase']} {after['job']['rows_done']:,}{ended}"
            )
            await asyncio.to_thread(wait, client, import_id, lambda one: one["state"] == "applied")
    complain("jobs", jobs)
    services.stop(jobs)


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
