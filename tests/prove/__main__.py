"""`make prove`: breaks a private stack by seeded schedules, and counts what was lost and what came twice.

Exits 0 when every schedule kept the promise.
"""

import argparse
import asyncio
import itertools
import logging
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from tests.prove import report
from tests.prove.audit import audit
from tests.prove.malformed import malformed_among_many
from tests.prove.outage import describe, long_outage
from tests.prove.proxy import Proxy
from tests.prove.regressions import REGRESSIONS
from tests.prove.runner import LINKS, LOAD_LINK, Outcome, Runner
from tests.prove.schedule import Schedule, plan
from tests.prove.system import ROOT, System

SETTINGS = {"MARIADB_BUFFER_POOL": "256M", "GENERATOR_RATE": "10"}
"""A small database, and the product's own generators busier than by default."""


async def prove(system: System, folder: Path, options: argparse.Namespace) -> bool:
    """Run all schedules, printing a row for each; whether all of them kept the promise."""
    outcomes: list[Outcome] = []
    async with AsyncExitStack() as stack:
        # What is measured without a schedule goes straight: a proxy would be most of what is measured.
        proxied = LINKS if _has_schedules(options) else (LOAD_LINK,)
        links = {link: await stack.enter_async_context(Proxy(system.server_port(link))) for link in proxied}
        stack.push_async_callback(asyncio.to_thread, system.stop)
        await asyncio.to_thread(system.start, {link: proxy.port for link, proxy in links.items()}, SETTINGS)
        engine = system.engine()
        stack.push_async_callback(engine.dispose)
        runner = Runner(system, engine, links, folder, rate=options.rate)
        report.print_headings()
        begun = time.monotonic()
        for schedule in _schedules(options):
            if options.minutes and time.monotonic() - begun > 60 * options.minutes:
                break
            outcomes.append(await runner.run(schedule))
            report.print_outcome(outcomes[-1])
        if options.malformed:
            verdict = await malformed_among_many(system, engine, folder, options.malformed)
            outcomes.append(Outcome(Schedule(0, 0, 0, ()), verdict))
            report.print_outcome(outcomes[-1])
        if options.outage:
            outcome, drain = await long_outage(runner, options.outage, options.rate)
            outcomes.append(outcome)
            report.print_outcome(outcome)
            print(describe(drain), flush=True)
        generators = await audit(system, engine)
    return report.print_summary(outcomes, generators)


def _has_schedules(options: argparse.Namespace) -> bool:
    return bool(options.regressions or options.seeds or options.minutes or options.schedules)


def _schedules(options: argparse.Namespace) -> Iterable[Schedule]:
    """What was asked for; fresh seeds where nothing was."""
    if options.regressions:
        return REGRESSIONS
    if options.seeds:
        return map(plan, options.seeds)
    fresh = int(time.time()) % 1_000_000
    return map(plan, itertools.count(fresh) if options.minutes else range(fresh, fresh + options.schedules))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=25, help="how many; their seeds are fresh")
    parser.add_argument("--minutes", type=float, default=0, help="as many as begin in this time instead")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="these instead")
    parser.add_argument("--regressions", action="store_true", help="the schedules of regressions.py alone")
    parser.add_argument("--rate", type=float, default=2_000, help="readings a second")
    parser.add_argument("--outage", type=float, default=0, help="minutes that the database is away, afterwards")
    parser.add_argument(
        "--malformed", type=int, nargs="?", const=1_000_000, default=0, metavar="READINGS",
        help="malformed messages among so many readings, 10,000 among a million, afterwards",
    )  # fmt: skip
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run" / "prove", help="folder of everything it writes")
    return parser.parse_args()


def main() -> int:
    """0 when nothing was lost and nothing came twice."""
    # The client library tells of every lost connection, of which there are many.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, the stack is stopped
    options = _options()
    folder = options.run_dir.resolve()
    # All that services and servers say to each other goes through the proxies of this process.
    return 0 if uvloop.run(prove(System(folder), folder / "lists", options)) else 1


if __name__ == "__main__":
    sys.exit(main())
