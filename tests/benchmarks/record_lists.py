"""How fast the list of records answers over 10 or 100 million records: pages, totals, filters and orders of all kinds.

    python tests/benchmarks/record_lists.py [--records 10000000] [--folder DIR] [--keep] [--reuse] [--requests 60]

Every kind of request is asked for many times with seeded random filters, each of them once, so that nothing is answered
from what the one before has left. The store is that of the analytics benchmark.
"""

import argparse
import asyncio
import json
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from large_store.folder import ROOT, Store, opened
from large_store.readings import SIGNALS, Readings
from query_client import QueryClient, query_client

from telltale_query.paging import Cursor, encode_cursor
from telltale_query.records.parts import Position
from telltale_query.records.schemas import RecordSort
from telltale_shared.instants import instant

Parameters = dict[str, Any]

PLAIN_TARGET, VALUE_TARGET = 50.0, 300.0
"""p95 in ms: of lists by source, category, time and anomalies; of lists with a filter by value."""
WARM_UP = 3

TYPICAL = {
    "temperature": (61.0, 4.5, 90.0), "pressure": (6.2, 0.3, 14.0), "humidity": (45.0, 12.0, 80.0),
    "vibration": (1.8, 1.0, 12.0), "parts": (100_000.0, 60_000.0, 300_000.0), "power": (15.0, 9.0, 38.0),
    "level": (1.7, 0.9, 9.0), "imbalance": (0.0, 8.0, 35.0),
}  # fmt: skip
"""By category: a middle, a width, and a value that hardly any reading reaches."""


@dataclass(frozen=True)
class Kind:
    """One kind of request."""

    name: str
    target: float | None
    """p95 in ms."""
    make: Callable[["Chance"], Parameters]


class Chance:
    """Draws filters."""

    def __init__(self, readings: Readings, seed: int) -> None:
        self._readings = readings
        self.draw = random.Random(seed)
        self.sources = sorted({readings.name(n)[0] for n in range(1, readings.series + 1)})
        self.categories = [name for name, _, _ in SIGNALS]
        self.begins, self.ends = instant(readings.begins), instant(readings.ends)

    def moment(self) -> datetime:
        """An instant in the store, to the microsecond."""
        return self.begins + self.draw.random() * (self.ends - self.begins)

    def source(self) -> Parameters:
        return {"source": self.draw.choice(self.sources)}

    def category(self) -> Parameters:
        return {"category": self.draw.choice(self.categories)}

    def several(self) -> Parameters:
        some = self.draw.sample(self.sources, self.draw.randint(2, len(self.sources) // 2))
        return {"source": some, "category": self.draw.sample(self.categories, self.draw.randint(1, 4))}

    def ragged(self) -> Parameters:
        """A range of some minutes to all there is."""
        length = (self.ends - self.begins) * self.draw.random() ** 3 + timedelta(minutes=1)
        start = self.moment()
        return {"from": f"{start.isoformat()}Z", "to": f"{(start + length).isoformat()}Z"}

    def plain(self) -> Parameters:
        """Any of the filters that rollups know."""
        chosen = self.draw.choice([dict, self.source, self.category, self.several])()
        return {**chosen, **(self.ragged() if self.draw.random() < 0.5 else {})}

    def order(self) -> Parameters:
        return {"sort": self.draw.choice(["observed_at", "-observed_at", "source", "-source", "category", "-category"])}

    def rare(self) -> Parameters:
        """A category and a value that few of its readings reach."""
        category = self.draw.choice(self.categories)
        _, width, extreme = TYPICAL[category]
        return {"category": category, "min_value": extreme + self.draw.uniform(-width, 0)}

    def common(self) -> Parameters:
        """A value that a good part of the readings reaches."""
        category = self.draw.choice(self.categories)
        middle, width, _ = TYPICAL[category]
        bound = self.draw.choice(["min_value", "max_value"])
        return {"category": category, bound: middle + self.draw.uniform(-width / 2, width / 2)}

    def band(self) -> Parameters:
        """A narrow band amid the values, which extremes hardly help to find."""
        category = self.draw.choice(self.categories)
        middle, width, _ = TYPICAL[category]
        low = middle + self.draw.uniform(-width / 2, width / 2)
        return {"category": category, "min_value": low, "max_value": low + width / 1_000}

    def everywhere(self) -> Parameters:
        """A value over all series, of any unit."""
        return {"min_value": self.draw.choice([100.0, 1_000.0, 250_000.0]) * self.draw.uniform(0.8, 1.2)}

    def outwards(self) -> Parameters:
        """From the far end of what a filter by value lets through; from its near end no extreme would help."""
        chosen = self.common()
        return {**chosen, "sort": "-value" if "min_value" in chosen else "value"}

    def deep(self) -> Parameters:
        """A page amid the list, forwards or backwards."""
        sort = self.draw.choice([RecordSort.NEWEST, RecordSort.OLDEST])
        place = Position(sort, self.draw.randint(1, 200), self.moment(), 0.0)
        return {"sort": sort.value, "cursor": encode_cursor(Cursor(self.draw.random() < 0.5, place))}


KINDS = (
    Kind("no filter", PLAIN_TARGET, lambda chance: {"limit": chance.draw.randint(10, 100)}),
    Kind("a source", PLAIN_TARGET, lambda chance: {**chance.source(), **chance.order()}),
    Kind("a category", PLAIN_TARGET, lambda chance: {**chance.category(), **chance.order()}),
    Kind("several of both", PLAIN_TARGET, lambda chance: {**chance.several(), **chance.order()}),
    Kind("a ragged range", PLAIN_TARGET, lambda chance: {**chance.plain(), **chance.ragged(), **chance.order()}),
    Kind("anomalous", PLAIN_TARGET, lambda chance: {**chance.plain(), "anomalous": True, **chance.order()}),
    Kind("not anomalous", PLAIN_TARGET, lambda chance: {**chance.plain(), "anomalous": False, **chance.order()}),
    Kind("deep in the list", PLAIN_TARGET, lambda chance: {**chance.plain(), **chance.deep()}),
    Kind("a rare value", VALUE_TARGET, lambda chance: {**chance.rare(), **chance.order()}),
    Kind("a common value", VALUE_TARGET, lambda chance: {**chance.common(), **chance.order()}),
    Kind("a narrow band", VALUE_TARGET, lambda chance: {**chance.band(), **chance.order()}),
    Kind("a value anywhere", VALUE_TARGET, lambda chance: {**chance.everywhere(), **chance.ragged()}),
    Kind("a value, deep", VALUE_TARGET, lambda chance: {**chance.common(), **chance.deep()}),
    Kind("highest or lowest", VALUE_TARGET, lambda chance: {**chance.plain(), "sort": _by_value(chance)}),
    Kind("the same of a filter", VALUE_TARGET, lambda chance: chance.outwards()),
)


def _by_value(chance: Chance) -> str:
    return chance.draw.choice(["value", "-value"])


@dataclass(frozen=True)
class Figures:
    """What one kind of request took."""

    kind: Kind
    milliseconds: list[float]
    exact: int
    """Answers whose total is exact."""
    short: int
    """Answers that were broken off before the page was full."""
    slowest: Parameters

    def __str__(self) -> str:
        ordered = sorted(self.milliseconds)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        verdict = "" if self.kind.target is None else f"  {'ok' if p95 <= self.kind.target else 'MISSED':>6}"
        share = f"{self.exact / len(ordered):.0%} exact, {self.short} broken off"
        return (
            f"{self.kind.name:<20} p50 {statistics.median(ordered):7.1f}  p95 {p95:7.1f}  max {ordered[-1]:7.1f} ms"
            f"  (≤ {self.kind.target:.0f}){verdict}  totals {share}"
        )


async def measure(client: QueryClient, readings: Readings, *, requests: int = 60, seed: int = 5) -> list[Figures]:
    """Ask for ``requests`` lists of every kind; prints the figures as they come."""
    chance = Chance(readings, seed)
    figures = []
    for kind in KINDS:
        for _ in range(WARM_UP):
            await client.get("/records", kind.make(chance))
        taken: list[tuple[float, Parameters]] = []
        exact = short = 0
        for _ in range(requests):
            parameters = kind.make(chance)
            seconds, body = await client.get("/records", parameters)
            taken.append((1_000 * seconds, parameters))
            page = json.loads(body)
            exact += page["total_is_exact"]
            onward = "previous_cursor" if "cursor" in parameters else "next_cursor"
            short += len(page["items"]) < parameters.get("limit", 50) and page[onward] is not None
        slowest = max(taken, key=lambda one: one[0])
        figures.append(Figures(kind, [milliseconds for milliseconds, _ in taken], exact, short, slowest[1]))
        print(figures[-1], flush=True)
    return figures


async def measure_store(store: Store, *, requests: int = 60, verbose: bool = False) -> None:
    """Measure the list over ``store``."""
    async with query_client(store) as client:
        figures = await measure(client, store.readings, requests=requests)
    if verbose:
        for one in figures:
            print(f"slowest of {one.kind.name}: {max(one.milliseconds):.0f} ms {one.slowest}")


def main() -> None:
    """Parse the arguments, load what is missing, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=ROOT / ".run/bench-analytics")
    parser.add_argument("--keep", action="store_true", help="leave the loaded store in the folder")
    parser.add_argument("--reuse", action="store_true", help="use the store that is in the folder, if it is this one")
    parser.add_argument("--requests", type=int, default=60, help="of every kind")
    parser.add_argument("--verbose", action="store_true", help="name the slowest requests")
    arguments = parser.parse_args()
    readings = Readings(arguments.records, arguments.series)
    with opened(arguments.folder, readings, keep=arguments.keep, reuse=arguments.reuse) as store:
        print(f"{store.records:,} records of {readings.series} series")
        asyncio.run(measure_store(store, requests=arguments.requests, verbose=arguments.verbose))


if __name__ == "__main__":
    main()
