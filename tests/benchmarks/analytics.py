"""How fast analytics and lists answer over millions of records.

Analytics stand beside the same SQL on raw rows and DuckDB, all in one run.

    python tests/benchmarks/analytics.py [--records 10000000 [100000000]] [--folder DIR] [--keep] [--reuse]

Every question is asked over all 200 series and many random ragged ranges, over HTTP, of a query process of its own,
until the whole of its JSON is there. The database has the memory that the product gives it, and has read the records
once. Two numbers of records say how the cost grows from the first to the second.

A store (1 Hz, seeded: ``large_store``) is loaded into private servers in a folder of its own below --folder, which
--keep leaves there and --reuse takes as it is: 100 million records take five minutes to load and 8 GB. --load-only
stops there.
"""

import argparse
import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import msgspec
from analytics_questions import QUESTIONS, Question
from large_store.folder import ROOT, Store, opened
from large_store.readings import Readings
from query_client import QueryClient, query_client
from ragged import Ragged, has_days, of_any_length, of_days
from record_lists import measure_lists
from report import Report, quantile
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import create_engine

WARM_UP = 10
DUCKDB_THREADS = 2
RAW_TIMEOUT = 300.0
RAW_FACTOR = 100
"""How many times as fast as raw rows an answer should be."""
GROWTH = 2.0


@dataclass(frozen=True)
class Effort:
    """How often things are measured."""

    ranges: int
    """Of any length, of each question."""
    days: int
    """From a day up."""
    raw: int
    """The same of raw rows, which take most of a minute each."""
    duckdb: int
    lists: int
    """Of each kind."""


@dataclass(frozen=True)
class Answer:
    """One of ours."""

    range: Ragged
    seconds: float
    width: int | None
    """Of its buckets in seconds, where it has any."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameters of the same question in SQL."""
        start, end = self.range.bounds
        return {"start": start, "end": end} if self.width is None else {"start": start, "end": end, "width": self.width}


class Rivals:
    """The same questions to the raw rows of the same database, and to DuckDB."""

    def __init__(self, engine: AsyncEngine, duck: duckdb.DuckDBPyConnection) -> None:
        self._engine = engine
        self._duck = duck

    async def raw(self, question: Question, answer: Answer) -> float:
        """Seconds that MariaDB takes over raw rows."""
        assert question.raw is not None
        async with self._engine.connect() as connection:
            began = time.perf_counter()
            (await connection.execute(text(question.raw), answer.bounds)).all()
            return time.perf_counter() - began

    def duckdb(self, question: Question, answer: Answer) -> float:
        """Seconds that DuckDB takes."""
        began = time.perf_counter()
        self._duck.execute(question.duck, answer.bounds).fetchall()
        return time.perf_counter() - began


async def measure(store: Store, report: Report, effort: Effort) -> dict[str, list[float]]:
    """Ask everything; print it; return the seconds of each answer by question."""
    # As on a system that has been running: with what fits into the database's memory there.
    store.client.run("SELECT SUM(value) FROM records FORCE INDEX (PRIMARY); SELECT SUM(total) FROM rollups_minute")
    report.title(f"{store.records:,} records of {store.readings.series} series, ragged ranges from a minute up")
    engine = create_engine(store.url, store.servers.mariadb_password, statement_timeout=RAW_TIMEOUT)
    with duckdb.connect(store.duckdb_path, read_only=True, config={"threads": DUCKDB_THREADS}) as duck:
        async with query_client(store) as client:
            found = {question.name: await _ask(client, store, question, effort.ranges) for question in QUESTIONS}
            for question in QUESTIONS:
                report.times(question.name, found[question.name], question.target_ms)
            await measure_lists(client, store.readings, report, requests=effort.lists)
            await _from_a_day_up(client, store, Rivals(engine, duck), report, effort)
    await engine.dispose()
    return found


async def _ask(client: QueryClient, store: Store, question: Question, count: int) -> list[float]:
    for wanted in of_any_length(store.readings, WARM_UP, seed=0):
        await client.get(question.path, {**wanted.params(), **question.params})
    ranges = of_any_length(store.readings, count, seed=1)
    return [(await client.get(question.path, {**wanted.params(), **question.params}))[0] for wanted in ranges]


async def _from_a_day_up(client: QueryClient, store: Store, rivals: Rivals, report: Report, effort: Effort) -> None:
    """Long ranges: ours, then raw rows and DuckDB on the first of them.

    Raw rows come last: they push out of the database's memory what a running system has there.
    """
    whole_days = has_days(store.readings)
    report.title("from a day up" if whole_days else "half of it and more")
    ranges = list(of_days(store.readings, effort.days, seed=2))
    answers = {question.name: await _answers(client, question, ranges) for question in QUESTIONS}
    for question in QUESTIONS:
        ours = [answer.seconds for answer in answers[question.name]]
        report.times(question.name, ours, question.target_ms if whole_days else None)
    report.title("beside DuckDB and raw rows, by the ranges that all were asked for")
    for question in QUESTIONS:
        found = answers[question.name][: effort.duckdb]
        binding = whole_days and question.against_rivals
        duck = [rivals.duckdb(question, answer) for answer in found]
        _beside(report, f"{question.name}: DuckDB, {DUCKDB_THREADS} threads", found, duck, 1 if binding else None)
    for question in QUESTIONS:
        if question.raw is not None:
            found = answers[question.name][: effort.raw]
            raw = [await rivals.raw(question, answer) for answer in found]
            binding = whole_days and question.against_rivals
            _beside(report, f"{question.name}: raw rows", found, raw, RAW_FACTOR if binding else None)


async def _answers(client: QueryClient, question: Question, ranges: Iterable[Ragged]) -> list[Answer]:
    found = []
    for wanted in ranges:
        seconds, body = await client.get(question.path, {**wanted.params(), **question.params})
        width = msgspec.json.decode(body)["bucket_seconds"] if question.has_width else None
        found.append(Answer(wanted, seconds, width))
    return found


def _beside(report: Report, name: str, ours: Sequence[Answer], rival: Sequence[float], faster: float | None) -> None:
    """What a rival takes for these ranges, and how many times as long that is; ours should be ``faster`` at least."""
    factor = median(theirs / own.seconds for own, theirs in zip(ours, rival, strict=True))
    report.times(f"{name}, ranges: {len(rival)}", rival)
    report.line(
        f"{name}, times ours", f"{factor:.0f} x", "" if faster is None else f"≥ {faster:g} x",
        met=None if faster is None else factor >= faster,
    )  # fmt: skip


def compare(few: Mapping[str, Sequence[float]], many: Mapping[str, Sequence[float]], report: Report) -> None:
    """How the cost grows from one store to the next."""
    report.title("cost of the larger store, times that of the smaller one")
    for name in few:
        growth = {share: quantile(many[name], share) / quantile(few[name], share) for share in (0.5, 0.95)}
        report.line(
            name, f"p50 {growth[0.5]:.2f} x   p95 {growth[0.95]:.2f} x", f"≤ {GROWTH:g} x",
            met=max(growth.values()) <= GROWTH,
        )  # fmt: skip


def _folder(base: Path, records: int) -> Path:
    return base / (f"{records // 1_000_000}m" if records % 1_000_000 == 0 else str(records))


def main() -> None:
    """Parse the arguments, load what is missing, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=ROOT / ".run/bench-analytics", help="of all stores")
    parser.add_argument("--keep", action="store_true", help="leave the loaded stores in the folder")
    parser.add_argument("--reuse", action="store_true", help="use the stores that are in the folder, if they fit")
    parser.add_argument("--load-only", action="store_true", help="load and check, measure nothing")
    parser.add_argument("--ranges", type=int, default=150, help="random ranges of each question")
    parser.add_argument("--days", type=int, default=60, help="the same from a day up")
    parser.add_argument("--raw", type=int, default=1, help="of these, those that are asked of raw rows, too")
    parser.add_argument("--duckdb", type=int, default=5, help="of these, those that are asked of DuckDB, too")
    parser.add_argument("--lists", type=int, default=80, help="lists of records of each kind")
    arguments = parser.parse_args()
    effort = Effort(arguments.ranges, arguments.days, arguments.raw, arguments.duckdb, arguments.lists)
    report = Report()
    found = []
    for records in arguments.records:
        folder, readings = _folder(arguments.folder, records), Readings(records, arguments.series)
        with opened(folder, readings, keep=arguments.keep, reuse=arguments.reuse) as store:
            if arguments.load_only:
                print(f"{store.records:,} records of {readings.series} series in {folder}")
            else:
                found.append(asyncio.run(measure(store, report, effort)))
    if len(found) > 1:
        compare(found[0], found[-1], report)
    if found:
        report.summary()


if __name__ == "__main__":
    main()
