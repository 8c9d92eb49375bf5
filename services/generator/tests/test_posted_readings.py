"""Posted readings and replayed files: taken whole, or refused with the place and the field."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_generator.sources import Reading
from telltale_generator.sources.http import PROBLEMS_MAX, READINGS_MAX, from_csv, from_json
from telltale_generator.sources.replay import Recording, ReplaySource
from telltale_generator.sources.rows import BadField, BadRows, instant
from telltale_shared.validation import TimeBounds

SECOND = 1_000_000
NOW = 1_795_100_000 * SECOND
BOUNDS = TimeBounds.around(NOW)
SAMPLE = Path(__file__).resolve().parents[3] / "sample_data" / "records_sample.csv"
GOOD = {"source": "mine", "category": "t", "observed_at": "2026-11-18T12:00:00+01:00", "value": 1.5, "unit": "°C"}


def problems(error: pytest.ExceptionInfo[BadRows]) -> list[tuple[str, str]]:
    return [(row.place, row.field) for row in error.value.rows]


def test_a_json_list_gives_its_readings() -> None:
    items = [GOOD, {**GOOD, "observed_at": "2026-11-18T12:00:00.000001Z", "value": 2}]
    assert from_json(json.dumps(items).encode(), BOUNDS) == [
        Reading("mine", "t", "°C", instant("2026-11-18T11:00:00Z"), 1.5),
        Reading("mine", "t", "°C", instant("2026-11-18T12:00:00Z") + 1, 2.0),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "a\x00b"}, "source"),
        ({"source": 7}, "source"),
        ({"category": "x" * 101}, "category"),
        ({"unit": "x" * 33}, "unit"),
        ({"value": "1"}, "value"),
        ({"value": None}, "value"),
        ({"value": True}, "value"),
        ({"value": 1e301}, "value"),
        ({"value": 10**400}, "value"),
        ({"observed_at": "2026-11-18T12:00:00"}, "observed_at"),
        ({"observed_at": "2026-11-31T12:00:00Z"}, "observed_at"),
        ({"observed_at": "9999-12-31T23:59:59Z"}, "observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "observed_at"),
        ({"observed_at": 1795000000}, "observed_at"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_bad_field_is_named_with_its_row(change: dict[str, object], field: str) -> None:
    body = json.dumps([GOOD, {**GOOD, "observed_at": "2026-11-18T12:00:01Z", **change}])
    with pytest.raises(BadRows) as error:
        from_json(body.encode(), BOUNDS)
    assert problems(error) == [("1", field)]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"[1]", b"[]", b"\xff\xfe[]", b'[{"value": NaN}]', b"null", b'[{"source":"a"}]']
)
def test_what_is_no_list_of_readings_is_refused(body: bytes) -> None:
    with pytest.raises(BadRows):
        from_json(body, BOUNDS)


def test_a_series_has_one_value_at_an_instant_and_one_unit() -> None:
    twice = [GOOD, {**GOOD, "value": 3}, {**GOOD, "observed_at": "2026-11-18T11:00:01Z", "unit": "K"}]
    with pytest.raises(BadRows) as error:
        from_json(json.dumps(twice).encode(), BOUNDS)
    assert problems(error) == [("1", "observed_at"), ("2", "unit")]


def test_a_request_is_bounded_and_so_is_the_answer() -> None:
    with pytest.raises(BadRows) as error:
        from_json(json.dumps([{}] * 1_000).encode(), BOUNDS)
    assert len(error.value.rows) == PROBLEMS_MAX
    lines = "".join(f"a,{n},2026-11-18T12:00:00Z,1\n" for n in range(READINGS_MAX + 1))
    with pytest.raises(BadRows, match="several requests"):
        from_csv(f"source,category,observed_at,value\n{lines}".encode(), BOUNDS)


def test_a_csv_file_gives_its_readings() -> None:
    body = (
        "\ufeffSource,category,observed_at,value,unit,note\r\n"
        '"press, old",t,2026-11-18T12:00:00Z, 1e2 ,,looked odd\r\n'
        "\r\n"
        "pump,p,2026-11-18T12:00:00.5Z,-0.5,bar,\r\n"
    )
    assert from_csv(body.encode(), BOUNDS) == [
        Reading("press, old", "t", None, instant("2026-11-18T12:00:00Z"), 100.0),
        Reading("pump", "p", "bar", instant("2026-11-18T12:00:00Z") + SECOND // 2, -0.5),
    ]


@pytest.mark.parametrize(
    ("lines", "place", "field"),
    [
        ("source,category,value\n", "line 1", "header"),
        ("source,category,observed_at,value,colour\n", "line 1", "header"),
        ("source,category,observed_at,value,value\n", "line 1", "header"),
        ("", "line 1", "header"),
        ("source,category,observed_at,value\na,b,2026-11-18T12:00:00Z\n", "line 2", "row"),
        ('source,category,observed_at,value\n"a\nb",c,2026-11-18T12:00:00Z,1\n', "line 3", "source"),
        ('source,category,observed_at,value\n"a,c,2026-11-18T12:00:00Z,1\n', "line 2", "csv"),
        ("source,category,observed_at,value\na,b,2026-11-18T12:00:00Z,nan\n", "line 2", "value"),
        ("source,category,observed_at,value\na,b,2026-11-18T12:00:00Z,1_0\n", "line 2", "value"),
        ('source,category,observed_at,value\na,b,2026-11-18T12:00:00Z,"1,5"\n', "line 2", "value"),
        ("source,category,observed_at,value\na,b,2026-11-18T12:00:00Z,1e999\n", "line 2", "value"),
        ("source,category,observed_at,value\n,b,2026-11-18T12:00:00Z,1\n", "line 2", "source"),
        (f"source,category,observed_at,value\n{'x' * 200_000},b,2026-11-18T12:00:00Z,1\n", "line 2", "csv"),
    ],
)
def test_a_bad_line_is_named(lines: str, place: str, field: str) -> None:
    with pytest.raises(BadRows) as error:
        from_csv(lines.encode(), BOUNDS)
    assert (place, field) in problems(error)


def test_utf_16_is_refused_in_words() -> None:
    with pytest.raises(BadRows, match="not UTF-8"):
        from_csv("source,category,observed_at,value\n".encode("utf-16"), BOUNDS)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    for parse in (from_json, from_csv):
        with pytest.raises(BadRows):
            parse(body, BOUNDS)


@given(st.text(max_size=40) | st.datetimes().map(str))
def test_no_text_does_more_than_be_no_time(text: str) -> None:
    with pytest.raises(BadField):
        instant(text)


def test_the_sample_is_replayed_whole_shifted_to_now() -> None:
    recording = Recording.read(SAMPLE)
    source = ReplaySource(recording, speed=900)
    source.begin(NOW)
    first = source.due(NOW)
    assert len(first) == len(recording.series) == 8
    assert {one.observed_at for one in first} == {NOW}
    assert source.next_due(NOW) == NOW + SECOND
    rest = source.due(NOW + 400 * SECOND)
    assert len(first) + len(rest) == source.rows == source.position == 3_072
    assert rest[-1].observed_at == NOW + 383 * SECOND
    assert source.finished
    assert source.next_due(NOW) is None
    source.begin(NOW)
    assert source.due(NOW + SECOND) == []


def test_a_pause_and_another_speed_move_what_follows() -> None:
    source = ReplaySource(Recording.read(SAMPLE), speed=900)
    source.begin(NOW)
    source.due(NOW)
    source.begin(NOW + 100 * SECOND)
    assert {one.observed_at for one in source.due(NOW + 100 * SECOND)} == {NOW + 100 * SECOND}
    source.set_speed(9_000, NOW + 100 * SECOND)
    assert len(source.due(NOW + 101 * SECOND)) == 8 * 11


def test_a_file_that_cannot_be_replayed_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("source,category,observed_at,value\na,b,2026-11-18T12:00:00Z,1\na,b,yesterday,1\n")
    with pytest.raises(BadRows, match="line 3, observed_at"):
        Recording.read(file)
    file.write_text("source,category,observed_at,value\n")
    with pytest.raises(BadRows, match="no reading"):
        Recording.read(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadRows, match="UTF-8"):
        Recording.read(file)


def test_rows_are_replayed_in_the_order_of_their_times(tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    file.write_text("source,category,observed_at,value\na,b,2026-11-18T12:00:02Z,2\na,b,2026-11-18T12:00:01Z,1\n")
    source = ReplaySource(Recording.read(file))
    source.begin(NOW)
    assert [(one.observed_at, one.value) for one in source.due(NOW + SECOND)] == [(NOW, 1.0), (NOW + SECOND, 2.0)]
