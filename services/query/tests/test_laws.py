"""Laws of analytics over any filter and any ragged range, against plain Python over the same readings."""

import math
import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_query.aggregates import Aggregate, together
from telltale_query.analytics import distribution, percentiles, widths
from telltale_query.cutting import cut
from telltale_query.exports.reading import Reader
from telltale_query.records.schemas import RecordQuery
from telltale_query.selection import Range, select_readings
from telltale_shared.instants import EPOCH
from telltale_shared.store.tiers import TIERS, Tier

from .conftest import Api, close, rfc3339
from .plain import SORTS, Filters, Row, bounds, forwards, instants

pytestmark = pytest.mark.anyio

SERIES = [("a", "temperature"), ("a", "pressure"), ("b", "temperature"), ("b", "level"), ("c", "pressure")]


def readings() -> list[Row]:
    """Five series over three days: sparse ones, a dense minute, instants and values that several share."""
    chance = random.Random(7)
    measured = instants(chance, 150)
    rows = []
    for place, (source, category) in enumerate(SERIES):
        for at in sorted({at for at in measured if chance.random() < 0.7}):
            value = round(chance.gauss(20 * place, 3), chance.choice([0, 1, 15]))
            rows.append(Row(source, category, at, value, chance.random() < 0.03))
    return rows


ROWS = readings()
BOUNDS = bounds(ROWS)
NAMES = (st.lists(st.sampled_from("abc"), max_size=2), st.lists(st.sampled_from(["temperature", "level"]), max_size=2))
RANGES = st.builds(Filters, *NAMES, BOUNDS, BOUNDS).map(forwards)
VALUES = st.one_of(st.none(), st.sampled_from([row.value for row in ROWS]))
FILTERS = st.builds(Filters, *NAMES, BOUNDS, BOUNDS, VALUES, VALUES, st.sampled_from([None, None, True, False])).map(
    forwards
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


def agree(found: dict[str, Any], rows: list[Row], *, exact: bool = True) -> None:
    values = [row.value for row in rows]
    assert found["count"] == len(values)
    assert found["anomalies"] == sum(row.anomalous for row in rows)
    numbers = ("mean", "min", "max", "stddev", "p50", "p90", "p95", "p99", "percentiles_relative_error")
    if not values:
        assert [found[name] for name in numbers] == [None] * len(numbers)
        return
    assert (found["min"], found["max"]) == (min(values), max(values))
    assert close(found["mean"], statistics.fmean(values))
    assert math.isclose(found["stddev"], statistics.pstdev(values), rel_tol=1e-6, abs_tol=1e-6)
    assert found["percentiles_relative_error"] == (0 if exact else 0.01)
    for name, wanted in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        if exact:
            assert close(found[name], quantile(values, wanted))
        else:
            true = sorted(values)[int(wanted * (len(values) - 1))]
            assert abs(found[name] - true) <= 0.01 * abs(true)


@contextmanager
def percentiles_of(exact: bool) -> Iterator[None]:
    """Take percentiles from readings, or from sketches however few readings there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles, "FEW", 50_000 if exact else 0)
        yield


def exactly(filters: Filters, exact: bool) -> bool:
    """Whether percentiles are exact: with a filter that looks at single readings they always are."""
    return exact or filters.low is not None or filters.high is not None or filters.anomalous is not None


@FEW
@given(filters=st.one_of(RANGES, FILTERS), exact=st.booleans())
async def test_the_summary_equals_plain_python(stored: Api, filters: Filters, exact: bool) -> None:
    with percentiles_of(exact):
        found = await stored.get("/analytics/summary", {**filters.params(), "compare": True})
    rows = filters.of(ROWS)
    agree(found, rows, exact=exactly(filters, exact))
    if rows:
        assert found["first"]["observed_at"] == rfc3339(min(row.at for row in rows))
        assert found["last"]["observed_at"] == rfc3339(max(row.at for row in rows))
    assert sum(one["count"] for one in found["by_unit"]) == len(rows)
    if filters.start is not None and filters.end is not None:
        agree(found["previous"], before(filters).of(ROWS), exact=exactly(filters, exact))
    else:
        assert found["previous"] is None
    if filters.low is not None or filters.high is not None or filters.anomalous is not None:
        assert found["gaps"] is None
    else:
        check_gaps(found["gaps"], filters)


def before(filters: Filters) -> Filters:
    assert filters.start is not None
    assert filters.end is not None
    return replace(filters, start=filters.start - (filters.end - filters.start), end=filters.start)


def check_gaps(found: dict[str, Any], filters: Filters) -> None:
    width = timedelta(seconds=found["resolution_seconds"])
    # The range counts as rounded outwards to whole buckets.
    start = None if filters.start is None else EPOCH + (filters.start - EPOCH) // width * width
    end = None if filters.end is None else EPOCH - (EPOCH - filters.end) // width * width
    slots: dict[tuple[str, str], set[int]] = {}
    for row in replace(filters, start=start, end=end).of(ROWS):
        slots.setdefault((row.source, row.category), set()).add((row.at - EPOCH) // width)
    missing = [max(some) - min(some) + 1 - len(some) for some in slots.values()]
    assert (found["missing"], found["series_with_gaps"]) == (sum(missing), sum(n > 0 for n in missing))


@FEW
@given(filters=st.one_of(RANGES, FILTERS), exact=st.booleans(), by=st.sampled_from(["category", "source"]))
async def test_groups_equal_plain_python(stored: Api, filters: Filters, exact: bool, by: str) -> None:
    path = {"category": "/analytics/categories", "source": "/analytics/sources"}[by]
    with percentiles_of(exact):
        found = (await stored.get(path, {**filters.params(), "compare": True}))["items"]
    rows = filters.of(ROWS)
    assert [one[by] for one in found] == sorted({getattr(row, by) for row in rows})
    for one in found:
        own = [row for row in rows if getattr(row, by) == one[by]]
        agree(one, own, exact=exactly(filters, exact))
        assert one["series"] == len({(row.source, row.category) for row in own})
        if filters.start is not None and filters.end is not None:
            earlier = [row for row in before(filters).of(ROWS) if getattr(row, by) == one[by]]
            agree(one["previous"], earlier, exact=exactly(filters, exact))


ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"]


def bucket_of(at: datetime, found: dict[str, Any]) -> datetime:
    """When (naive UTC) the bucket of ``at`` begins, as the clock on a wall in that zone tells."""
    zone = ZoneInfo(found["time_zone"])
    local = at.replace(tzinfo=UTC).astimezone(zone)
    wall = local.replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if found["bucket_seconds"] is None:
        months = int(found["bucket"].removesuffix("mo"))
        year, month = divmod((wall.year * 12 + wall.month - 1) // months * months, 12)
        begins = datetime(year, month + 1, 1)  # noqa: DTZ001 - a clock on a wall
    elif found["bucket"] == "1w":
        begins = midnight - timedelta(days=midnight.weekday())
    elif found["bucket_seconds"] > 3_600:
        width = timedelta(seconds=found["bucket_seconds"])
        begins = EPOCH + (wall - EPOCH) // width * width
    else:
        offset = local.utcoffset()
        assert offset is not None
        width = timedelta(seconds=found["bucket_seconds"])
        return EPOCH + (at + offset - EPOCH) // width * width - offset
    return begins.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)


def points_of(rows: list[Row], found: dict[str, Any], by: str) -> dict[tuple[Any, ...], dict[datetime, list[float]]]:
    lines: dict[tuple[Any, ...], dict[datetime, list[float]]] = {}
    for row in rows:
        line = (row.source, row.category) if by == "series" else (None, row.category)
        lines.setdefault(line, {}).setdefault(bucket_of(row.at, found), []).append(row.value)
    return lines


def check_points(found: list[dict[str, Any]], expected: dict[datetime, list[float]]) -> None:
    assert [point["at"] for point in found] == [rfc3339(at) for at in sorted(expected)]
    for point, at in zip(found, sorted(expected), strict=True):
        values = expected[at]
        assert (point["count"], point["min"], point["max"]) == (len(values), min(values), max(values))
        assert close(point["mean"], statistics.fmean(values))


@settings(FEW, max_examples=150)
@given(
    filters=st.one_of(RANGES, FILTERS),
    bucket=st.sampled_from(["auto", "auto", "hour", "day", "week", "month"]),
    zone=st.sampled_from(ZONES),
    by=st.sampled_from(["series", "category"]),
    rows=st.sampled_from([30_000, 5_000, 500]),
)
async def test_the_time_series_equals_plain_python(
    stored: Api, filters: Filters, bucket: str, zone: str, by: str, rows: int
) -> None:
    params = {**filters.params(), "bucket": bucket, "time_zone": zone, "group_by": by, "compare": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(widths, "AUTO_ROWS", rows)
        found = await stored.get("/analytics/timeseries", params)
    expected = points_of(filters.of(ROWS), found, by)
    assert [(one["source"], one["category"]) for one in found["series"]] == sorted(expected)
    assert found["series_total"] == len(expected)
    closed = filters.start is not None and filters.end is not None
    earlier = points_of(before(filters).of(ROWS), found, by) if closed else {}
    for one in found["series"]:
        line = (one["source"], one["category"])
        assert len(one["points"]) <= 1_001
        check_points(one["points"], expected[line])
        assert (one["previous"] is not None) == closed
        if closed:
            check_points(one["previous"], earlier.get(line, {}))


BY: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "max": max,
    "min": min,
    "count": len,
    "stddev": statistics.pstdev,
    "range": lambda values: max(values) - min(values),
}


@FEW
@given(
    filters=st.one_of(RANGES, FILTERS),
    of=st.sampled_from(["series", "source", "category"]),
    by=st.sampled_from([*BY, "anomalies"]),
    n=st.integers(1, 4),
)
async def test_the_top_equals_plain_python(stored: Api, filters: Filters, of: str, by: str, n: int) -> None:
    found = await stored.get("/analytics/top", {**filters.params(), "of": of, "by": by, "n": n})
    groups: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in filters.of(ROWS):
        group = (None if of == "category" else row.source, None if of == "source" else row.category)
        groups.setdefault(group, []).append(row)
    assert found["total"] == len(groups)
    assert len(found["items"]) == min(n, len(groups))

    def value(rows: list[Row]) -> float:
        return sum(row.anomalous for row in rows) if by == "anomalies" else BY[by]([row.value for row in rows])

    ranked = sorted((value(rows) for rows in groups.values()), reverse=True)
    for item, expected in zip(found["items"], ranked, strict=False):
        assert math.isclose(item["value"], expected, rel_tol=1e-6, abs_tol=1e-6)
        own = value(groups[item["source"], item["category"]])
        assert math.isclose(item["value"], own, rel_tol=1e-6, abs_tol=1e-6)


@FEW
@given(filters=st.one_of(RANGES, FILTERS), exact=st.booleans(), bins=st.integers(1, 60))
async def test_every_reading_is_in_one_bin_of_the_distribution(
    stored: Api, filters: Filters, exact: bool, bins: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distribution, "COUNTED_SINGLY", 200_000 if exactly(filters, exact) else 0)
        found = await stored.get("/analytics/distribution", {**filters.params(), "bins": bins})
    assert found["is_complete"]
    units: dict[str | None, list[float]] = {}
    for row in filters.of(ROWS):
        units.setdefault({"temperature": "°C", "pressure": "bar"}.get(row.category), []).append(row.value)
    assert {one["unit"] for one in found["items"]} == set(units)
    for unit, values in units.items():
        own = [one for one in found["items"] if one["unit"] == unit]
        assert len(own) <= bins
        assert sum(one["count"] for one in own) == len(values)
        assert (own[0]["low"] <= min(values), own[-1]["high"] >= max(values)) == (True, True)
        for one, following in pairwise(own):
            assert one["high"] <= following["low"]
        for one in own:
            strictly = sum(one["low"] < value < one["high"] for value in values)
            assert strictly <= one["count"] <= sum(one["low"] <= value <= one["high"] for value in values)


@settings(deadline=None)
@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - naive UTC
    length=st.one_of(st.timedeltas(timedelta(microseconds=1), timedelta(hours=3)), st.timedeltas(timedelta(seconds=1))),
    tiers=st.integers(0, 3).map(lambda n: TIERS[:n]),
)
async def test_a_cut_tiles_the_range_on_the_bounds_of_buckets(
    start: datetime, length: timedelta, tiers: tuple[Tier, ...]
) -> None:
    end = start + min(length, timedelta(days=2_000))
    found = cut(Range(start, end), tiers)
    pieces = sorted(((tier, one) for tier, ranges in found.items() for one in ranges), key=lambda one: one[1].start)
    assert pieces[0][1].start == start
    assert pieces[-1][1].end == end
    assert len(pieces) <= 7
    assert all(one.end == following.start for (_, one), (_, following) in pairwise(pieces))
    for tier, one in pieces:
        assert one.start < one.end
        if tier is None:
            assert not tiers or one.end - one.start < timedelta(minutes=2)
        else:
            assert tier in tiers
            assert tier.bucket_of(one.start) == one.start
            assert tier.bucket_of(one.end) == one.end


@settings(deadline=None)
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
@given(filters=FILTERS, sort=st.sampled_from(SORTS), at_once=st.sampled_from([25, 100, 1_000]))
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
