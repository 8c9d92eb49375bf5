"""Laws of analytics over any filter and any ragged range, against plain Python over the same readings."""

import math
import random
import statistics
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_query.aggregates import Aggregate, pieces, together
from telltale_query.exports.reading import Reader
from telltale_query.records.schemas import RecordQuery
from telltale_query.selection import Range, select_readings
from telltale_shared.instants import EPOCH

from .conftest import Api, close, now, rfc3339

pytestmark = pytest.mark.anyio

MIDNIGHT = now().replace(hour=0, minute=0, second=0) - timedelta(days=1)
SERIES = [("a", "temperature"), ("a", "pressure"), ("b", "temperature"), ("b", "level"), ("c", "pressure")]
SORTS = ["observed_at", "-observed_at", "value", "-value", "source", "-source", "category", "-category"]


@dataclass(frozen=True)
class Row:
    source: str
    category: str
    at: datetime
    value: float
    anomalous: bool
    """Judged unusual and not dismissed."""


def readings() -> list[Row]:
    """Five series over three days: sparse ones, a dense minute, instants and values that several share."""
    chance = random.Random(7)
    instants = [MIDNIGHT + timedelta(seconds=chance.uniform(-80_000, 120_000)) for _ in range(150)]
    instants += [MIDNIGHT + timedelta(hours=5, seconds=n / 2) for n in range(150)]
    instants += [MIDNIGHT + timedelta(hours=n) for n in range(-3, 3)]
    rows = []
    for place, (source, category) in enumerate(SERIES):
        for at in sorted({at for at in instants if chance.random() < 0.7}):
            value = round(chance.gauss(20 * place, 3), chance.choice([0, 1, 15]))
            rows.append(Row(source, category, at, value, chance.random() < 0.03))
    return rows


ROWS = readings()
INSTANTS = sorted({row.at for row in ROWS})
BOUNDS = st.one_of(
    st.none(),
    st.sampled_from(INSTANTS),
    st.builds(lambda at, by: at + timedelta(microseconds=by), st.sampled_from(INSTANTS), st.integers(-1, 1)),
    st.integers(-24 * 60, 36 * 60).map(lambda minutes: MIDNIGHT + timedelta(minutes=minutes)),
    st.integers(-24, 36).map(lambda hours: MIDNIGHT + timedelta(hours=hours)),
)


@dataclass(frozen=True)
class Filters:
    source: list[str]
    category: list[str]
    start: datetime | None
    end: datetime | None
    low: float | None = None
    high: float | None = None
    anomalous: bool | None = None

    def params(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "category": self.category,
            **({"from": rfc3339(self.start)} if self.start else {}),
            **({"to": rfc3339(self.end)} if self.end else {}),
            **({"min_value": self.low} if self.low is not None else {}),
            **({"max_value": self.high} if self.high is not None else {}),
            **({"anomalous": self.anomalous} if self.anomalous is not None else {}),
        }

    def of(self, rows: list[Row]) -> list[Row]:
        return [
            row
            for row in rows
            if (not self.source or row.source in self.source)
            and (not self.category or row.category in self.category)
            and (self.start is None or row.at >= self.start)
            and (self.end is None or row.at < self.end)
            and (self.low is None or row.value >= self.low)
            and (self.high is None or row.value <= self.high)
            and (self.anomalous is None or row.anomalous == self.anomalous)
        ]


def _ordered(filters: Filters) -> Filters:
    """A range that ends after it starts."""
    if filters.start is not None and filters.end is not None and filters.start >= filters.end:
        return replace(filters, start=filters.end, end=filters.start + timedelta(microseconds=1))
    return filters


NAMES = (st.lists(st.sampled_from("abc"), max_size=2), st.lists(st.sampled_from(["temperature", "level"]), max_size=2))
RANGES = st.builds(Filters, *NAMES, BOUNDS, BOUNDS).map(_ordered)
VALUES = st.one_of(st.none(), st.sampled_from([row.value for row in ROWS]))
FILTERS = st.builds(Filters, *NAMES, BOUNDS, BOUNDS, VALUES, VALUES, st.sampled_from([None, None, True, False])).map(
    _ordered
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
async def stored(running: Api) -> Api:
    """The readings and what detectors say of them."""
    await running.empty()
    series = await running.store((row.source, row.category, row.at, row.value) for row in ROWS)
    judged: list[dict[str, Any]] = []

    def judge(row: Row, detector: str, verdict: str | None) -> None:
        one = series[row.source, row.category]
        judged.append({"series_id": one.id, "at": row.at, "detector": detector, "value": row.value, "verdict": verdict})

    for n, row in enumerate(ROWS):
        if row.anomalous:
            judge(row, "robust", None if n % 2 else "confirmed")
        if (row.anomalous and n % 3 == 0) or n % 40 == 0:
            judge(row, "second", "dismissed" if not row.anomalous or n % 2 else None)
    await running.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at, verdict)"
        " VALUES (:series_id, :at, :detector, '1', 'spike', :value, 5, 0, 1, '', :at, :verdict)",
        judged,
    )
    return running


def sort_key(sort: str) -> Any:
    ids = {series: place for place, series in enumerate(sorted(SERIES))}
    return {
        "observed_at": lambda row: (row.at, ids[row.source, row.category]),
        "value": lambda row: (row.value, row.at, ids[row.source, row.category]),
        "source": lambda row: (row.source, row.category, row.at),
        "category": lambda row: (row.category, row.source, row.at),
    }[sort.lstrip("-")]


def quantile(values: list[float], wanted: float) -> float:
    ranked = sorted(values)
    rank = (len(ranked) - 1) * wanted
    below, above = ranked[math.floor(rank)], ranked[math.ceil(rank)]
    return below + (above - below) * (rank - math.floor(rank))


def agree(found: dict[str, Any], rows: list[Row]) -> None:
    values = [row.value for row in rows]
    assert found["count"] == len(values)
    assert found["anomalies"] == sum(row.anomalous for row in rows)
    assert found["percentiles_exact"]
    if not values:
        assert [found[name] for name in ("mean", "min", "max", "stddev", "p50", "p95")] == [None] * 6
        return
    assert (found["min"], found["max"]) == (min(values), max(values))
    assert close(found["mean"], statistics.fmean(values))
    assert math.isclose(found["stddev"], statistics.pstdev(values), rel_tol=1e-6, abs_tol=1e-6)
    assert close(found["p50"], quantile(values, 0.5))
    assert close(found["p95"], quantile(values, 0.95))


@FEW
@given(filters=st.one_of(RANGES, FILTERS))
async def test_the_summary_equals_plain_python(stored: Api, filters: Filters) -> None:
    found = await stored.get("/analytics/summary", filters.params())
    rows = filters.of(ROWS)
    agree(found, rows)
    if rows:
        assert found["first"]["observed_at"] == rfc3339(min(row.at for row in rows))
        assert found["last"]["observed_at"] == rfc3339(max(row.at for row in rows))
    assert sum(one["count"] for one in found["by_unit"]) == len(rows)
    if filters.start is not None and filters.end is not None:
        before = replace(filters, start=filters.start - (filters.end - filters.start), end=filters.start)
        agree(found["previous"], before.of(ROWS))
    else:
        assert found["previous"] is None


@FEW
@given(filters=st.one_of(RANGES, FILTERS))
async def test_categories_equal_plain_python(stored: Api, filters: Filters) -> None:
    found = (await stored.get("/analytics/categories", filters.params()))["items"]
    rows = filters.of(ROWS)
    assert [one["category"] for one in found] == sorted({row.category for row in rows})
    for one in found:
        agree(one, [row for row in rows if row.category == one["category"]])


@FEW
@given(filters=st.one_of(RANGES, FILTERS), bucket=st.sampled_from(["auto", "auto", "hour", "day"]))
async def test_the_time_series_equals_plain_python(stored: Api, filters: Filters, bucket: str) -> None:
    found = await stored.get("/analytics/timeseries", {**filters.params(), "bucket": bucket})
    width = found["bucket_seconds"]
    expected: dict[tuple[str, str], dict[int, list[float]]] = {}
    for row in filters.of(ROWS):
        slot = (row.at - EPOCH) // timedelta(seconds=width)
        expected.setdefault((row.source, row.category), {}).setdefault(slot, []).append(row.value)
    assert [(one["source"], one["category"]) for one in found["series"]] == sorted(expected)
    assert found["series_total"] == len(expected)
    for one in found["series"]:
        slots = expected[one["source"], one["category"]]
        assert len(one["points"]) <= 1_001
        assert [point["at"] for point in one["points"]] == [
            rfc3339(EPOCH + timedelta(seconds=slot * width)) for slot in sorted(slots)
        ]
        for point, slot in zip(one["points"], sorted(slots), strict=True):
            values = slots[slot]
            assert (point["count"], point["min"], point["max"]) == (len(values), min(values), max(values))
            assert close(point["mean"], statistics.fmean(values))


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - naive UTC
    length=st.one_of(st.timedeltas(timedelta(microseconds=1), timedelta(hours=3)), st.timedeltas(timedelta(seconds=1))),
    widest=st.sampled_from([30, 60, 120, 3_600, 7_200, 86_400]),
)
async def test_pieces_tile_the_range_on_the_bounds_of_their_buckets(
    start: datetime, length: timedelta, widest: int
) -> None:
    end = start + min(length, timedelta(days=2_000))
    cut = list(pieces(Range(start, end), widest=widest))
    assert cut[0].start == start
    assert cut[-1].end == end
    assert len(cut) <= 7
    assert all(one.end == following.start for one, following in pairwise(cut))
    for one in cut:
        assert one.start < one.end
        if one.tier is None:
            assert len(cut) > 1 or widest < 60 or one.end - one.start < timedelta(minutes=2)
        else:
            assert widest % one.tier.seconds == 0
            assert one.tier.bucket_of(one.start) == one.start
            assert one.tier.bucket_of(one.end) == one.end


@given(
    values=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), max_size=8), origin=st.floats(-1e3, 1e3)
)
async def test_aggregates_add_up(values: list[list[float]], origin: float) -> None:
    whole = together(
        Aggregate.of(len(some), sum(some), sum((v - origin) ** 2 for v in some), min(some), max(some), origin)
        for some in values
    )
    flat = [v for some in values for v in some]
    assert whole.count == len(flat)
    if flat:
        assert (whole.minimum, whole.maximum) == (min(flat), max(flat))
        assert math.isclose(whole.mean, statistics.fmean(flat), rel_tol=1e-9, abs_tol=1e-6)
        assert math.isclose(whole.stddev, statistics.pstdev(flat), rel_tol=1e-3, abs_tol=1e-1)


@FEW
@given(filters=FILTERS, sort=st.sampled_from(SORTS), at_once=st.sampled_from([3, 40, 1_000]))
async def test_an_export_reads_the_whole_list_once_and_in_order(
    stored: Api, filters: Filters, sort: str, at_once: int
) -> None:
    query = RecordQuery.model_validate({**filters.params(), "sort": sort})
    async with stored.engine.connect() as connection:
        selection = await select_readings(connection, query)
    found = []
    async for batch in Reader(stored.engine, rows_at_once=at_once).batches(selection, query.sort):
        found += [(batch.series[series_id], at, value) for series_id, at, value, _ in batch.rows]
    expected = sorted(filters.of(ROWS), key=sort_key(sort), reverse=sort.startswith("-"))
    assert [(series.source, series.category, at, value) for series, at, value in found] == [
        (row.source, row.category, row.at, row.value) for row in expected
    ]
