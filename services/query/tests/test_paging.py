"""Pages in both directions, also while the list changes between them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_query.paging import Page, Total, Window
from telltale_shared.security import Role

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio

NUMBERS = st.sets(st.integers(0, 60), max_size=40)


def read(numbers: set[int], window: Window[int]) -> list[int]:
    """What a repository does: the numbers of ``window``, in the order of reading."""
    found = sorted(numbers, reverse=window.back)
    if window.key is not None:
        found = [one for one in found if (one < window.key if window.back else one > window.key)]
    return found[: window.fetch]


def page_of(numbers: set[int], limit: int, cursor: str | None) -> Page[int]:
    window = Window.of(limit, cursor, int)
    return Page.cut(read(numbers, window), window, Total(len(numbers)), lambda number: number)


@given(numbers=NUMBERS, limit=st.integers(1, 7))
def test_a_walk_to_the_end_and_back_sees_the_same_pages(numbers: set[int], limit: int) -> None:
    forward = [page_of(numbers, limit, None)]
    while (cursor := forward[-1].next_cursor) is not None:
        forward.append(page_of(numbers, limit, cursor))
    assert [one for page in forward for one in page.items] == sorted(numbers)
    assert forward[0].previous_cursor is None
    back = [forward[-1]]
    while (cursor := back[-1].previous_cursor) is not None:
        back.append(page_of(numbers, limit, cursor))
    assert [page.items for page in reversed(back)] == [page.items for page in forward]


@given(
    numbers=NUMBERS, steps=st.lists(st.tuples(st.booleans(), NUMBERS, NUMBERS), max_size=12), limit=st.integers(1, 7)
)
def test_whatever_changes_between_pages_nothing_is_skipped_or_seen_twice(
    numbers: set[int], steps: list[tuple[bool, set[int], set[int]]], limit: int
) -> None:
    page = page_of(numbers, limit, None)
    for back, added, removed in steps:
        numbers = (numbers | added) - removed
        cursor = page.previous_cursor if back else page.next_cursor
        if cursor is None:
            continue
        seen, page = page, page_of(numbers, limit, cursor)
        assert not set(seen.items) & set(page.items)
        if seen.items and page.items:
            low, high = (page.items[-1], seen.items[0]) if back else (seen.items[-1], page.items[0])
            assert not {one for one in numbers if low < one < high}


async def lists_of(api: Api) -> dict[str, dict[str, Any]]:
    """Every list of the service, with a filter that is its own, over some items."""
    start = now(hours=1)
    await api.store((f"s{n}", "x", start + timedelta(seconds=n), float(n % 3)) for n in range(9))
    ids = [one["id"] for one in (await api.get("/series"))["items"]]
    judged = [{"series_id": one, "at": start + timedelta(seconds=n), "n": n} for n, one in enumerate(ids)]
    await api.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at) VALUES (:series_id, :at, 'robust', '1', 'spike', 1, :n % 4, 0, 1,"
        " '', :at)",
        judged,
    )
    await api.run(
        "INSERT INTO dead_letters (reason, detail, payload, fingerprint, arrived_at)"
        " VALUES ('bad_time', '', '', REPEAT('x', 32), :at)",
        judged,
    )
    await api.run(
        "INSERT INTO system_logs (at, service, instance, level, logger, message, fields)"
        " VALUES (:at, 'query', :n, 'error', 'x', 'y', '{}')",
        judged,
    )
    for n in range(9):
        body = {"source": f"made-{n}", "category": "x", "value": n, "observed_at": rfc3339(now())}
        assert (await api.call("POST", "/records", json=body, role=Role.USER)).status_code == 201
    return {
        "/series": {},
        "/anomalies": {"sort": "-score"},
        "/dead-letters": {"reason": "bad_time"},
        "/logs": {"level": "error"},
        "/audit": {"action": "record.create"},
        "/records": {"sort": "value"},
    }


async def test_every_list_pages_both_ways(api: Api) -> None:
    for path, params in (await lists_of(api)).items():
        whole = (await api.get(path, params))["items"]
        assert len(whole) >= 9, path
        assert await api.pages(path, params, limit=4) == whole, path
        half = await api.get(path, {**params, "limit": 5})
        rest = await api.get(path, {**params, "cursor": half["next_cursor"]})
        assert half["items"] + rest["items"] == whole
        assert half["previous_cursor"] is None
        assert await api.pages_back(path, {**params, "limit": 2}, rest["previous_cursor"]) == half["items"], path
