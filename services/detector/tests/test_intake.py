import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_detector.intake import Intake, shard_of
from telltale_shared.contracts import ReadingBatch, SeriesKey
from telltale_shared.detection.state import Table

NOW = 1_767_225_600_000_000


def batch(
    *,
    series: list[SeriesKey] | None = None,
    index: list[int] | None = None,
    observed_at: list[int] | None = None,
    value: list[float] | None = None,
) -> ReadingBatch:
    value = [1.0] if value is None else value
    return ReadingBatch(
        producer="p",
        service="generator",
        first=1,
        confirmed=0,
        published_at=NOW,
        series=[SeriesKey("press-1", "temperature", "°C")] if series is None else series,
        index=[0] * len(value) if index is None else index,
        observed_at=[NOW] * len(value) if observed_at is None else observed_at,
        value=value,
    )


def intake(table: Table | None = None, *, shard: int = 0, shards: int = 1) -> Intake:
    return Intake(Table() if table is None else table, shard=shard, shards=shards, clock=lambda: NOW)


def test_valid_readings_pass_in_their_order() -> None:
    table = Table()
    keys = [SeriesKey("a", "x"), SeriesKey("b", "x", "V")]
    share = intake(table).share(batch(series=keys, index=[1, 0, 1], value=[1.0, 2.0, 3.0]))
    assert share.refused == 0
    assert share.readings.rows.tolist() == [1, 0, 1]
    assert share.readings.value.tolist() == [1.0, 2.0, 3.0]
    assert table.series[1].unit == "V"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(batch(index=[1]), id="index beyond the series"),
        pytest.param(batch(index=[-1]), id="negative index"),
        pytest.param(batch(index=[]), id="columns of unequal length"),
        pytest.param(batch(value=[float("nan")]), id="not a number"),
        pytest.param(batch(value=[1e301]), id="too large"),
        pytest.param(batch(observed_at=[NOW + 3_600_000_000]), id="in the future"),
        pytest.param(batch(observed_at=[2**70]), id="no time at all"),
        pytest.param(batch(series=[SeriesKey("", "x")]), id="no source"),
        pytest.param(batch(series=[]), id="no series"),
    ],
)
def test_invalid_readings_are_counted_and_left_out(bad: ReadingBatch) -> None:
    share = intake().share(bad)
    assert share.readings.rows.size == 0
    assert share.refused == 1


def test_neighbours_of_an_invalid_reading_pass() -> None:
    share = intake().share(batch(value=[1.0, float("inf"), 3.0]))
    assert share.readings.value.tolist() == [1.0, 3.0]
    assert share.refused == 1


def test_there_is_room_for_so_many_series() -> None:
    keys = [SeriesKey(f"s{n}", "x") for n in range(5)]
    share = intake(Table(capacity_limit=3)).share(batch(series=keys, index=list(range(5)), value=[1.0] * 5))
    assert share.readings.rows.tolist() == [0, 1, 2]
    assert share.refused == 2


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=20), st.integers(1, 7))
def test_every_series_belongs_to_one_shard(keys: list[tuple[str, str]], shards: int) -> None:
    series = [SeriesKey(*key) for key in keys]
    delivery = batch(series=series, index=list(range(len(keys))), value=[1.0] * len(keys))
    shares = [intake(shard=n, shards=shards).share(delivery) for n in range(shards)]
    assert sum(share.readings.rows.size + share.refused for share in shares) == len(keys)


def test_shards_stay_the_same_for_ever() -> None:
    assert [shard_of("press-3", "temperature", n) for n in (1, 2, 3, 16)] == [0, 0, 1, 12]
