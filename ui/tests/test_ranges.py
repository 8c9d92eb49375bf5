from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_ui import ranges
from telltale_ui.analytics.series_chart import bucket_text, zoomed_range

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
instants = st.integers(0, 4_000_000_000_000_000).map(
    lambda us: datetime.fromtimestamp(0, UTC) + timedelta(days=400, microseconds=us)
)


@given(instants, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]))
def test_what_stands_in_the_address_is_the_same_instant_in_every_zone(instant: datetime, zone: str) -> None:
    assert ranges.parse(ranges.text_of(instant, ZoneInfo(zone)), BERLIN) == instant


@pytest.mark.parametrize("text", ["2026-11-24 13:00", "2026-11-24T12:00:00Z", " 2026-11-24 13:00:00 +01:00"])
def test_a_time_without_an_offset_is_the_viewers(text: str) -> None:
    assert ranges.parse(text, BERLIN) == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01 00:00", "9999-12-31"])
def test_anything_else_is_no_instant(text: str) -> None:
    assert ranges.parse(text, BERLIN) is None


def test_earlier_and_later_are_one_width_away_and_wider_is_twice_as_wide_but_ends_now() -> None:
    start, end = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
    assert ranges.shifted(start, end, -1) == (NOON - timedelta(hours=3), start)
    assert ranges.widened(start, end, NOON) == (start - timedelta(minutes=30), end + timedelta(minutes=30))
    assert ranges.widened(end, NOON, NOON) == (end - timedelta(minutes=30), NOON)


def test_what_was_dragged_over_is_a_range_of_the_charts_zone() -> None:
    event = {"selection": {"box": [{"x": ["2026-11-24 13:30", "2026-11-24 13:00:00.5"], "y": [0, 1]}]}}
    dragged = zoomed_range(event, BERLIN)
    assert dragged == (NOON + timedelta(seconds=0.5), NOON + timedelta(minutes=30))
    assert zoomed_range({"selection": {"box": []}}, BERLIN) is None
    assert zoomed_range(None, BERLIN) is None


@pytest.mark.parametrize(("label", "text"), [("30s", "30 s"), ("5m", "5 min"), ("1mo", "1 month"), ("2w", "2 weeks")])
def test_the_width_of_a_bucket_is_told_in_words(label: str, text: str) -> None:
    assert bucket_text(label) == text
