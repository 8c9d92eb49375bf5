"""The list of records: pages, totals, filters and orders of all kinds, drawn at random, each asked for once."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from large_store.readings import SIGNALS, Readings
from query_client import QueryClient
from report import Report

from telltale_query.paging import DEFAULT_LIMIT, Cursor, encode_cursor
from telltale_query.records.parts import Position
from telltale_query.records.schemas import RecordSort
from telltale_shared.instants import instant

Parameters = dict[str, Any]

PLAIN_TARGET, VALUE_TARGET = 50.0, 300.0
"""p95 in ms: of lists by source, category, time and anomalies; of lists with a filter by value."""
WARM_UP = 10

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
    target: float
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


async def measure_lists(client: QueryClient, readings: Readings, report: Report, *, requests: int) -> None:
    """Ask for ``requests`` lists of every kind."""
    report.title("lists of records: the first page and its total, pages deep in the list, values found and sorted by")
    chance = Chance(readings, seed=5)
    for kind in KINDS:
        for _ in range(WARM_UP):
            await client.get("/records", kind.make(chance))
        taken = []
        exact = broken_off = 0
        for _ in range(requests):
            parameters = kind.make(chance)
            seconds, body = await client.get("/records", parameters)
            taken.append(seconds)
            page = json.loads(body)
            exact += page["total_is_exact"]
            onward = page["next_cursor"] or page["previous_cursor"]
            broken_off += len(page["items"]) < parameters.get("limit", DEFAULT_LIMIT) and onward is not None
        report.times(f"records, {kind.name}", taken, kind.target)
        if exact < requests or broken_off:
            report.line(
                f"records, {kind.name}: totals", f"{exact / requests:.0%} exact, {broken_off} searches broken off"
            )
