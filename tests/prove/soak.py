"""`make soak`: a stack of its own at ten times the default load for an hour, and whether anything grows meanwhile.

Every ten seconds it samples the memory that each process has allocated, its open descriptors and its latency, into
`samples.csv`. The first half-hour fills what is bounded: the gateway's window of fifteen minutes, the database's pages
and the statements that each connection to it has prepared, the broker's log. From then on every slope must be zero
within its noise. Exits 0 when that is so.
"""

import argparse
import asyncio
import csv
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
from tests.prove.audit import audit
from tests.prove.live import Watcher
from tests.prove.sampling import Sample, Sampler
from tests.prove.slopes import Slope, slope
from tests.prove.system import ROOT, System

SETTINGS = {"GENERATOR_RATE": "10", "MARIADB_BUFFER_POOL": "6M"}
"""Ten times the default rate, and the smallest memory for the database's pages, so that it is soon full."""
FILLING_MINUTES = 30.0
PERIOD = 10.0
TOLERATED = {"memory": 0.01, "descriptors": 0.05, "latency": 0.10}
"""Growth in an hour, as a share, that is too small to matter; within the noise anything passes."""
UNITS: dict[str, Callable[[float], str]] = {
    "memory": lambda size: f"{size / 2**20:.1f} MiB",
    "descriptors": lambda count: f"{count:.1f}",
    "latency": lambda seconds: f"{1_000 * seconds:.1f} ms",
}


async def _browse(system: System) -> None:
    """What somebody at the dashboard does: looks at records and figures now and then."""
    while True:
        with suppress(httpx.HTTPError):
            headers = {"Authorization": f"Bearer {await system.token()}"}
            async with httpx.AsyncClient(base_url=f"{system.url('query')}/api/v1", headers=headers, timeout=20) as http:
                await http.get("/records", params={"limit": 100})
                await http.get("/analytics/summary")
        await asyncio.sleep(5)


async def soak(system: System, file: Path, filling: float, measured: float) -> tuple[list[Sample], list[str]]:
    """Run for ``filling`` + ``measured`` seconds; returns the samples of the latter, and what went wrong meanwhile."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, system.stop)
        await asyncio.to_thread(system.start, {}, SETTINGS)
        sampler = await stack.enter_async_context(Sampler(system))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        background = [tasks.create_task(_browse(system)), tasks.create_task(Watcher(system, "").run())]
        begun = time.monotonic()
        samples: list[Sample] = []
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(("second", "process", "memory", "descriptors", "latency"))
            while (now := time.monotonic() - begun) < filling + measured:
                fresh = await sampler.sample(now)
                rows.writerows(
                    (f"{s.second:.1f}", s.process, s.memory, s.descriptors, f"{s.latency:.5f}") for s in fresh
                )
                opened.flush()
                samples += [sample for sample in fresh if sample.second >= filling]
                await asyncio.sleep(max(0.0, PERIOD - (time.monotonic() - begun - now)))
        for task in background:
            task.cancel()
        readings = await audit(system, sampler.engine)
        print(f"{readings.numbered:,} readings numbered, {readings.stored:,} stored, {readings.dropped} dropped")
        return samples, [*sorted(sampler.complaints), *readings.complaints]


def print_slopes(samples: list[Sample]) -> bool:
    """Print a row per process and figure; whether everything is flat."""
    flat = True
    print(f"{'process':<16}{'figure':<13}{'first':>12}{'last':>12}{'slope per hour':>18}{'noise':>14}")
    for process in dict.fromkeys(sample.process for sample in samples):
        own = [sample for sample in samples if sample.process == process]
        for figure in UNITS:
            series = [(sample.second, sample.figure(figure)) for sample in own]
            flat &= _print_slope(process, figure, series)
    return flat


def _print_slope(process: str, figure: str, series: list[tuple[float, float]]) -> bool:
    tenth = max(1, len(series) // 10)
    first, last = (statistics.median(value for _, value in part) for part in (series[:tenth], series[-tenth:]))
    found: Slope = slope(series)
    flat = found.is_flat(TOLERATED[figure])
    unit = UNITS[figure]
    verdict = "" if flat else "  GROWS" if found.per_hour > 0 else "  SHRINKS"
    print(
        f"{process:<16}{figure:<13}{unit(first):>12}{unit(last):>12}{unit(found.per_hour):>18}"
        f"{'± ' + unit(found.noise):>14}{verdict}",
        flush=True,
    )
    return flat or found.per_hour < 0


def main() -> int:
    """0 when nothing grows and nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="that are measured")
    parser.add_argument("--filling", type=float, default=FILLING_MINUTES, help="minutes before, that are not")
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run" / "soak", help="folder of everything it writes")
    options = parser.parse_args()
    folder = options.run_dir.resolve()
    system = System(folder)
    samples, complaints = asyncio.run(soak(system, folder / "samples.csv", 60 * options.filling, 60 * options.minutes))
    for complaint in complaints:
        print(f"FAILED: {complaint}")
    return 0 if print_slopes(samples) and not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
