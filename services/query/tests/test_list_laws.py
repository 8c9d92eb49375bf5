"""Laws of the list of records: with any filter, in any order, both ways, it equals plain Python over the same rows."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_query.records import by_anomaly, by_series, by_time, by_value, counting, inconspicuous, service, walk

from .conftest import Api, rfc3339
from .plain import IMPORT, MIDNIGHT, SORTS, Filters, Row, bounds, forwards, instants

pytestmark = pytest.mark.anyio


def readings() -> list[Row]:
    """Series over three days: sparse, dense, constant ones, a switch; instants and values that several share."""
    chance = random.Random(7)
    measured = instants(chance, 120)
    kinds: dict[tuple[str, str], Callable[[], float]] = {
        ("a", "temperature"): lambda: round(chance.gauss(20, 3), chance.choice([0, 1, 15])),
        ("a", "pressure"): lambda: 20.0,
        ("b", "temperature"): lambda: round(chance.gauss(18, 3), 1),
        ("b", "level"): lambda: float(chance.random() < 0.5) * 20,
        ("c", "pressure"): lambda: round(chance.gauss(-40, 20), chance.choice([0, 1, 15])),
        ("d", "temperature"): lambda: 20.0,
    }
    rows = []
    for (source, category), draw in kinds.items():
        rows += [
            Row(source, category, at, draw(), chance.random() < 0.05, category != "level" and at < MIDNIGHT)
            for at in sorted({at for at in measured if chance.random() < 0.7})
        ]
    return rows


ROWS = readings()
# Series get their ids in the order of their names.
IDS = {series: place for place, series in enumerate(sorted({(row.source, row.category) for row in ROWS}))}
BOUNDS = bounds(ROWS)
VALUES = st.one_of(
    st.none(), st.none(), st.sampled_from([row.value for row in ROWS]), st.sampled_from([0.0, 20.0, 26.5])
)
FILTERS = st.builds(
    Filters,
    st.lists(st.sampled_from("abcd"), max_size=2),
    st.lists(st.sampled_from(["temperature", "level"]), max_size=2),
    BOUNDS,
    BOUNDS,
    VALUES,
    VALUES,
    st.sampled_from([None, None, None, True, False]),
    st.sampled_from([False, False, False, True]),
).map(forwards)
MANY = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(MANY, max_examples=12)


def sifts(filters: Filters) -> bool:
    """Whether many readings may be looked at to find one."""
    return filters.low is not None or filters.high is not None or filters.imported or filters.anomalous is not None


async def store(api: Api) -> None:
    """The readings and what detectors say of them: some twice, some dismissed."""
    await api.empty()
    for series in sorted(IDS):
        await api.store(
            (row.source, row.category, row.at, row.value) for row in ROWS if (row.source, row.category) == series
        )
    ids = {(one["source"], one["category"]): one["id"] for one in (await api.get("/series"))["items"]}
    assert sorted(ids.values()) == [ids[series] for series in sorted(ids)]
    judged: list[dict[str, Any]] = []

    def judge(row: Row, detector: str, verdict: str | None) -> None:
        series_id = ids[row.source, row.category]
        judged.append(
            {"series_id": series_id, "at": row.at, "detector": detector, "value": row.value, "verdict": verdict}
        )

    for n, row in enumerate(ROWS):
        if row.anomalous:
            judge(row, "robust", None if n % 2 else "confirmed")
        if (row.anomalous and n % 3 == 0) or n % 40 == 0:
            judge(row, "second", "dismissed" if not row.anomalous or n % 2 else None)
    # Of readings that were never stored.
    for n in range(20):
        lost = replace(ROWS[0], at=MIDNIGHT + timedelta(seconds=n, microseconds=1))
        judge(lost, "robust", None)
    await api.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at, verdict)"
        " VALUES (:series_id, :at, :detector, '1', 'spike', :value, 5, 0, 1, '', :at, :verdict)",
        judged,
    )
    imported = [row for row in ROWS if row.imported]
    await api.run(
        "UPDATE records SET import_id = :import_id WHERE series_id = :series_id AND observed_at = :at",
        [{"import_id": IMPORT, "series_id": ids[row.source, row.category], "at": row.at} for row in imported],
    )
    await api.run(
        "INSERT INTO import_series (import_id, position, series_id, source, category, first_at, last_at, row_count)"
        " VALUES (:import_id, :position, :series_id, 'x', 'x', :first, :last, 1)",
        [
            {
                "import_id": IMPORT,
                "position": n,
                "series_id": ids[source, category],
                "first": min(row.at for row in imported if (row.source, row.category) == (source, category)),
                "last": max(row.at for row in imported if (row.source, row.category) == (source, category)),
            }
            for n, (source, category) in enumerate(sorted({(row.source, row.category) for row in imported}))
        ],
    )


@contextmanager
def tiny_limits() -> Iterator[pytest.MonkeyPatch]:
    """So low that a few hundred readings take every way of reading that millions would."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (by_time, "SERIES_READ_SINGLY", 2),
            (by_time, "DAYS_READ_AT_ONCE", 1),
            (by_anomaly, "SERIES_READ_SINGLY", 2),
            (by_anomaly, "KEYS_AT_ONCE", 8),
            (by_series, "SERIES_AT_ONCE", 2),
            (by_value, "READ_AT_ONCE", 20),
            (inconspicuous, "SPARE", 0),
            (inconspicuous, "READ_AT_ONCE", 7),
            (walk, "SPANS_AT_ONCE", 4),
            (walk, "CELLS_FIRST", 3),
            (walk, "CELLS_AT_ONCE", 20),
            (walk, "RECORDS_AT_ONCE", 30),
        ):
            patch.setattr(module, name, value)
        yield patch


@pytest.fixture(scope="module")
async def stored(running: Api) -> AsyncIterator[Api]:
    await store(running)
    with tiny_limits():
        yield running


def sort_key(sort: str) -> Any:
    return {
        "observed_at": lambda row: (row.at, IDS[row.source, row.category]),
        "value": lambda row: (row.value, row.at, IDS[row.source, row.category]),
        "source": lambda row: (row.source, row.category, row.at),
        "category": lambda row: (row.category, row.source, row.at),
    }[sort.lstrip("-")]


def in_order(rows: list[Row], sort: str) -> list[Any]:
    return [told(row) for row in sorted(rows, key=sort_key(sort), reverse=sort.startswith("-"))]


def told(row: Row) -> Any:
    return (row.source, row.category, rfc3339(row.at), row.value)


def shown(items: list[Any]) -> list[Any]:
    return [(one["source"], one["category"], one["observed_at"], one["value"]) for one in items]


@MANY
@given(filters=FILTERS, sort=st.sampled_from(SORTS), limit=st.sampled_from([60, 200, 1_000]))
async def test_all_pages_together_are_the_whole_list_once_and_in_order(
    stored: Api, filters: Filters, sort: str, limit: int
) -> None:
    expected = filters.of(ROWS)
    params = {**filters.params(), "sort": sort, "limit": limit}
    page = await stored.get("/records", params)
    assert page["previous_cursor"] is None
    assert page["total"] == len(expected)
    assert page["total_is_exact"]
    pages = [page]
    while page["next_cursor"] is not None:
        assert len(page["items"]) == limit
        page = await stored.get("/records", {**params, "cursor": page["next_cursor"]})
        pages.append(page)
    assert shown([item for page in pages for item in page["items"]]) == in_order(expected, sort)
    for following in reversed(pages[:-1]):
        page = await stored.get("/records", {**params, "cursor": page["previous_cursor"]})
        assert page["items"] == following["items"]
    assert page["previous_cursor"] is None
    for one in (item for page in pages for item in page["items"]):
        judged = one["anomaly"] is not None and one["anomaly"]["verdict"] != "dismissed"
        assert filters.anomalous is None or judged is filters.anomalous


@FEW
@given(filters=FILTERS.filter(sifts), sort=st.sampled_from(SORTS), allowed=st.sampled_from([400, 2_000]))
async def test_a_search_that_is_broken_off_goes_on_where_it_stopped(
    stored: Api, filters: Filters, sort: str, allowed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "LOOKED_AT", allowed)
        patch.setattr(counting, "LOOKED_AT", 1)
        params = {**filters.params(), "sort": sort, "limit": 50}
        page = await stored.get("/records", params)
        items = page["items"]
        while page["next_cursor"] is not None:
            cursor = page["next_cursor"]
            page = await stored.get("/records", {**params, "cursor": cursor})
            assert page["next_cursor"] != cursor, "a search must get on"
            items += page["items"]
        assert shown(items) == in_order(filters.of(ROWS), sort)
        back: list[Any] = []
        while page["previous_cursor"] is not None:
            page = await stored.get("/records", {**params, "cursor": page["previous_cursor"]})
            back = page["items"] + back
        assert shown(back) == shown(items)[: len(back)]


@MANY
@given(filters=FILTERS, effort=st.sampled_from([1, 10, 50, 200, 1_000, 10_000]), named=st.sampled_from([4, 1_000]))
async def test_a_total_is_exact_or_at_least(stored: Api, filters: Filters, effort: int, named: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "SPANS_AT_MOST", named)
        patch.setattr(counting, "LOOKED_AT", effort)
        patch.setattr(counting, "ANOMALIES_COUNTED", effort)
        page = await stored.get("/records", {**filters.params(), "limit": 1})
    expected = len(filters.of(ROWS))
    assert page["total"] == expected if page["total_is_exact"] else page["total"] <= expected
    needs_counting = (filters.low, filters.high, filters.anomalous) != (None, None, None) or filters.imported
    assert page["total_is_exact"] or needs_counting
