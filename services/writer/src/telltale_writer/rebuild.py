"""Make rollups again from the records: ``python -m telltale_writer.rebuild``.

Safe to stop, to repeat, and beside ingest. It compares every bucket with the records that it summarises, corrects what
differs and says how much that was. It ends at the horizon: what retention has dropped is left to the rollups alone.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import create_engine, wait_for_schema
from telltale_shared.instants import EPOCH
from telltale_shared.settings import load_settings
from telltale_shared.store.differences import Differences
from telltale_shared.store.rebuild import END, Step, rebuild
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_writer.settings import Settings

PROGRESS_SECONDS = 2.0
STATEMENT_SECONDS = 120.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m telltale_writer.rebuild",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--source", action="append", default=[], help="only series of this source; repeatable")
    add("--category", action="append", default=[], help="only series of this category; repeatable")
    add("--from", dest="begin", type=_instant, default=EPOCH, help="from this UTC day on, as 2026-11-24")
    add("--to", dest="end", type=_instant, default=END, help="up to the UTC day that ends here")
    add("--only-missing-sketches", action="store_true", help="leave out days whose sketch is complete")
    return parser.parse_args(arguments)


def _instant(written: str) -> datetime:
    at = datetime.fromisoformat(written)
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


async def run(engine: AsyncEngine, options: argparse.Namespace) -> Differences:
    """Rebuild what ``options`` name, with a line of progress now and then and a summary."""
    await wait_for_schema(engine, SCHEMA_VERSION)
    total, said_at = Differences(), time.monotonic()
    steps = rebuild(
        engine,
        sources=options.source,
        categories=options.category,
        begin=options.begin,
        end=options.end,
        only_missing_sketches=options.only_missing_sketches,
    )
    async for step in steps:
        total += step.differences
        if time.monotonic() - said_at >= PROGRESS_SECONDS:
            said_at = time.monotonic()
            _say(_progress(step, total))
    _say(
        f"{total.compared:,} buckets compared, {total.total:,} corrected: {total.missing:,} were missing, "
        f"{total.needless:,} had no records, {total.wrong:,} had wrong numbers, {total.unsketched:,} wrong sketches"
    )
    return total


def _progress(step: Step, total: Differences) -> str:
    return (
        f"series {step.position} of {step.of} ({step.source} · {step.category}), {step.end:%Y-%m-%d %H:%M}: "
        f"{total.compared:,} buckets compared, {total.total:,} corrected"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(options: argparse.Namespace) -> None:
    settings = load_settings(Settings)
    password = settings.database_password.get_secret_value()
    engine = create_engine(settings.database_url, password, pool_size=2, statement_timeout=STATEMENT_SECONDS)
    try:
        await run(engine, options)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(_main(parse()))
