"""Buckets of time in a named zone: by hand where clocks change, and what must hold in every zone."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_query.analytics.calendar import Calendar, Width
from telltale_query.analytics.widths import AUTOMATIC
from telltale_query.selection import Range
from telltale_shared.instants import EPOCH, MICROSECOND

HOUR, DAY, WEEK = Width(3_600), Width(86_400), Width(7 * 86_400)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def buckets(zone: str, width: Width, start: str, end: str) -> list[tuple[str, float]]:
    """Of each bucket its beginning (UTC) and how many hours of it lie in the range."""
    calendar = Calendar(ZoneInfo(zone), width, Range(at(start), at(end)))
    hours: dict[datetime, float] = {}
    for one in calendar.buckets():
        begins = calendar.start_of(calendar.key_of(one.start))
        hours[begins] = hours.get(begins, 0) + (one.end - one.start) / timedelta(hours=1)
    return [(begins.isoformat(timespec="minutes"), span) for begins, span in hours.items()]


@pytest.mark.parametrize(
    ("zone", "width", "start", "end", "expected"),
    [
        # Clocks in Berlin go forward on 29 March and back on 25 October 2026.
        (
            "Europe/Berlin", DAY, "2026-03-27T23:00", "2026-03-30T22:00",
            [("2026-03-27T23:00", 24), ("2026-03-28T23:00", 23), ("2026-03-29T22:00", 24)],
        ),
        (
            "Europe/Berlin", DAY, "2026-10-23T22:00", "2026-10-26T23:00",
            [("2026-10-23T22:00", 24), ("2026-10-24T22:00", 25), ("2026-10-25T23:00", 24)],
        ),
        # The hour that clocks show twice is two buckets; the one that they leave out is none.
        (
            "Europe/Berlin", HOUR, "2026-10-25T00:00", "2026-10-25T03:00",
            [("2026-10-25T00:00", 1), ("2026-10-25T01:00", 1), ("2026-10-25T02:00", 1)],
        ),
        # Six hours by the clock on the wall.
        (
            "Europe/Berlin", Width(6 * 3_600), "2026-10-24T22:00", "2026-10-25T11:00",
            [("2026-10-24T22:00", 7), ("2026-10-25T05:00", 6)],
        ),
        # Weeks begin on Monday, months on the first, with 167 hours and 745 hours.
        (
            "Europe/Berlin", WEEK, "2026-03-22T23:00", "2026-04-05T22:00",
            [("2026-03-22T23:00", 167), ("2026-03-29T22:00", 168)],
        ),
        (
            "Europe/Berlin", Width(months=1), "2026-09-30T22:00", "2026-11-30T23:00",
            [("2026-09-30T22:00", 745), ("2026-10-31T23:00", 720)],
        ),
        # Nepal is 5:45 ahead, all year.
        (
            "Asia/Kathmandu", DAY, "2026-06-01T00:00", "2026-06-02T00:00",
            [("2026-05-31T18:15", 18.25), ("2026-06-01T18:15", 5.75)],
        ),
        (
            "Asia/Kathmandu", HOUR, "2026-06-01T00:15", "2026-06-01T02:15",
            [("2026-06-01T00:15", 1), ("2026-06-01T01:15", 1)],
        ),
        # Clocks on Lord Howe Island go by half an hour: back on 5 April, forward on 4 October 2026.
        (
            "Australia/Lord_Howe", DAY, "2026-04-03T13:00", "2026-04-06T13:30",
            [("2026-04-03T13:00", 24), ("2026-04-04T13:00", 24.5), ("2026-04-05T13:30", 24)],
        ),
        (
            "Australia/Lord_Howe", DAY, "2026-10-02T13:30", "2026-10-04T13:00",
            [("2026-10-02T13:30", 24), ("2026-10-03T13:30", 23.5)],
        ),
        # At 2:00 clocks show 1:30 again: half an hour of an hour that is a bucket of its own.
        (
            "Australia/Lord_Howe", HOUR, "2026-04-04T14:00", "2026-04-04T16:30",
            [("2026-04-04T14:00", 1), ("2026-04-04T15:00", 0.5), ("2026-04-04T15:30", 1)],
        ),
        # At 2:00 clocks show 2:30.
        (
            "Australia/Lord_Howe", HOUR, "2026-10-03T14:30", "2026-10-03T17:00",
            [("2026-10-03T14:30", 1), ("2026-10-03T15:30", 0.5), ("2026-10-03T16:00", 1)],
        ),
        # Midnight is left out in Santiago on 6 September 2026: that day begins at 1:00 and has 23 hours.
        (
            "America/Santiago", DAY, "2026-09-05T04:00", "2026-09-07T03:00",
            [("2026-09-05T04:00", 24), ("2026-09-06T04:00", 23)],
        ),
        # West of Greenwich the first day began before 1970.
        (
            "America/New_York", DAY, "1970-01-01T00:00", "1970-01-01T06:00",
            [("1969-12-31T05:00", 5), ("1970-01-01T05:00", 1)],
        ),
    ],
)  # fmt: skip
def test_buckets_by_hand(zone: str, width: Width, start: str, end: str, expected: list[tuple[str, float]]) -> None:
    assert buckets(zone, width, start, end) == expected


ZONES = (
    *("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "America/Santiago"),
    *("Pacific/Apia", "Africa/Casablanca", "America/Havana", "Africa/Monrovia"),
)
CHANGES = [
    *("2026-03-29T01:00", "2026-10-25T01:00", "2026-04-04T15:00", "2026-10-03T15:30", "2026-09-06T04:00"),
    *("2011-12-30T10:00", "2010-11-07T02:31", "2026-02-15T02:00", "2026-11-01T05:00", "1972-01-07T00:44:30"),
]
STARTS = st.one_of(
    st.datetimes(EPOCH, at("2040-01-01")),
    st.builds(
        lambda change, by: at(change) + timedelta(minutes=by),
        st.sampled_from(CHANGES),
        st.one_of(st.integers(-3_000, 60), st.just(0), st.just(-60)),
    ),
)


def length_in(width: Width) -> timedelta:
    return min(60 * width.least, timedelta(days=3_000))


@given(zone=st.sampled_from(ZONES), width=st.sampled_from(AUTOMATIC), start=STARTS, share=st.floats(0.001, 1))
def test_what_is_read_tiles_the_range_and_no_row_lies_in_two_buckets(
    zone: str, width: Width, start: datetime, share: float
) -> None:
    end = start + length_in(width) * share + MICROSECOND
    calendar = Calendar(ZoneInfo(zone), width, Range(start, end))
    pieces = sorted(
        ((one, tier) for tier, ranges in calendar.cut().items() for one in ranges), key=lambda piece: piece[0].start
    )
    assert pieces[0][0].start == start
    assert pieces[-1][0].end == end
    assert all(one.end == following.start for (one, _), (following, _) in pairwise(pieces))
    for one, tier in pieces:
        if tier is None:
            continue
        row = timedelta(seconds=tier.seconds)
        rows = (one.end - one.start) // row
        assert one.start + rows * row == one.end
        # Where a row could lie in two buckets: at the ends of the piece and of each day, and here and there.
        for n in {0, rows - 1, rows // 2, rows // 3, rows * 7 // 10}:
            begins = one.start + n * row
            assert calendar.key_of(begins) == calendar.key_of(begins + row - MICROSECOND)


@given(zone=st.sampled_from(ZONES), width=st.sampled_from(AUTOMATIC), start=STARTS, share=st.floats(0.001, 1))
def test_a_bucket_begins_where_its_key_does(zone: str, width: Width, start: datetime, share: float) -> None:
    end = start + length_in(width) * share + MICROSECOND
    calendar = Calendar(ZoneInfo(zone), width, Range(start, end))
    found = list(calendar.buckets())
    assert found[0].start == start
    assert found[-1].end == end
    for one in found:
        key = calendar.key_of(one.start)
        assert calendar.key_of(one.end - MICROSECOND) == key
        assert calendar.start_of(key) <= one.start or zone == "America/St_Johns"  # where clocks went back over midnight
