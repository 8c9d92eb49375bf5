"""The pure parts of an import: times, numbers, rows, sorting and merging, text for spreadsheets."""

import csv
import io
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telltale_query.imports.blocks import Block, joined
from telltale_query.imports.header import find_delimiter, lay_out, suggest_mapping
from telltale_query.imports.merging import Deduplicator, merge, rechunked
from telltale_query.imports.numbers import explain_number, parse_numbers
from telltale_query.imports.rows import read_rows
from telltale_query.imports.text import FileRefused, lines
from telltale_query.imports.times import TimeParser
from telltale_query.spreadsheet_text import FORMULA_STARTS, guard, unguard
from telltale_shared.instants import microseconds
from telltale_shared.validation import TimeBounds

ALL_TIMES = TimeBounds(-(10**18), 10**18)
NOW = datetime(2026, 11, 24, tzinfo=UTC).replace(tzinfo=None)
BERLIN = ZoneInfo("Europe/Berlin")

moments = st.datetimes(min_value=NOW - timedelta(days=45_000), max_value=NOW + timedelta(days=60_000))
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def written(at: datetime, *, digits: int, separator: str, zulu: str | None) -> str:
    text = at.strftime(f"%Y-%m-%d{separator}%H:%M:%S").rjust(19, "0")
    fraction = f"{at.microsecond:06}000"[:digits]
    zone = zulu or "" if at.tzinfo is None else f"{at:%z}"[:3] + ":" + f"{at:%z}"[3:5]
    return text + (f".{fraction}" if digits else "") + zone


@given(
    st.lists(st.tuples(moments, st.one_of(st.none(), offsets), st.integers(0, 9), st.sampled_from("Tt "))),
    st.sampled_from("Zz"),
)
def test_times_are_read_as_python_reads_them(
    cases: list[tuple[datetime, timezone | None, int, str]], zulu: str
) -> None:
    texts, expected = [], []
    for at, zone, digits, separator in cases:
        kept = at.replace(microsecond=int(f"{at.microsecond:06}"[:digits].ljust(6, "0")), tzinfo=zone)
        texts.append(written(at.replace(tzinfo=zone), digits=digits, separator=separator, zulu=zulu))
        expected.append(microseconds(kept if zone else kept.replace(tzinfo=UTC)))
    times, good = TimeParser(ALL_TIMES).parse(texts)
    assert good.all()
    assert times.tolist() == expected


@given(st.lists(moments, min_size=1), st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "UTC"]))
def test_local_times_are_those_of_the_zone_or_refused(moments: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)
    times, good = TimeParser(ALL_TIMES, zone).parse([at.isoformat(timespec="microseconds") for at in moments])
    for at, time, is_good in zip(moments, times.tolist(), good.tolist(), strict=True):
        first, second = (at.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if is_good:
            assert time == microseconds(first.astimezone(UTC)) == microseconds(second.astimezone(UTC))
        else:
            # Within a quarter of an hour of a change of clocks, and nowhere else.
            around = [at.replace(tzinfo=zone, fold=fold, minute=at.minute // 15 * 15, second=0) for fold in (0, 1)]
            assert around[0].utcoffset() != around[1].utcoffset()


@given(st.lists(st.text(alphabet="0123456789-+:.TZ ", max_size=36)))
def test_what_is_no_time_is_refused_and_explained(texts: list[str]) -> None:
    parser = TimeParser(ALL_TIMES)
    _, good = parser.parse(texts)
    for text, is_good in zip(texts, good.tolist(), strict=True):
        try:
            exists = datetime.fromisoformat(text).tzinfo is not None and len(text) >= 20
        except ValueError:
            exists = False
        assert exists or not is_good
        assert is_good or parser.explain(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-29T02:30:00", "does not exist in Europe/Berlin, where clocks are put forward"),
        ("2026-10-25T02:30:00", "happens twice in Europe/Berlin"),
        ("2026-10-25T02:30:00.5", "+02:00 or 2026-10-25T02:30:00+01:00"),
        ("2026-13-01T00:00:00Z", "no time that exists"),
        ("9999-12-31T23:59:59Z", "lies in the future"),
        ("0001-01-01T00:00:00Z", "older records are not kept"),
        ("0001-01-01T00:00:00", "older records are not kept"),
        ("9999-12-31T23:59:59-23:59", "lies in the future"),
    ],
)
def test_times_are_explained(text: str, reason: str) -> None:
    bounds = TimeBounds.around(microseconds(NOW))
    parser = TimeParser(bounds, BERLIN)
    assert not parser.parse([text])[1][0]
    assert reason in parser.explain(text)


@given(st.lists(st.floats(-1e100, 1e100)))
def test_numbers_come_back_exactly(values: list[float]) -> None:
    assert parse_numbers([repr(value) for value in values]).tolist() == values


@given(st.lists(st.text(alphabet="0123456789.,-+eE_nafiINF xd٣ ", max_size=8)))
def test_only_numbers_are_numbers(texts: list[str]) -> None:
    together = parse_numbers(texts)
    for text, value in zip(texts, together.tolist(), strict=True):
        assert str(parse_numbers([text])[0]) == str(value)
        if np.isnan(value):
            assert explain_number(text)
        else:
            assert float(text) == value
            assert not set(text) & set("_nafiINFxd٣")


@given(st.text())
def test_guarded_text_comes_back_and_is_no_formula(text: str) -> None:
    guarded = guard(text)
    assert unguard(guarded) == text
    assert guarded[:1] not in FORMULA_STARTS
    assert guarded in (text, "'" + text)


UTF_16 = (b"\xff\xfe", b"\xfe\xff")

cells = st.text(alphabet=st.sampled_from('ab,;\t"\r\n ü'), max_size=6)


@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), max_size=12),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from(",;\t"),
    st.integers(1, 5),
    st.integers(1, 9),
)
def test_rows_come_back_with_the_lines_that_they_begin_in(
    rows: list[list[str]], end: str, delimiter: str, at_once: int, piece: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    begins = []
    for row in rows:
        so_far = text.getvalue()
        begins.append(1 + so_far.count("\n") + so_far.count("\r") - so_far.count("\r\n"))
        writer.writerow(row)
    body = text.getvalue().encode()
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    found = list(read_rows(lines(pieces), delimiter, at_once=at_once))
    assert [row for some in found for row in some.cells] == rows
    assert [line for some in found for line in some.line.tolist()] == begins
    assert not any(some.broken for some in found)


@example(b"\xef", 3)
@given(st.binary(max_size=200).filter(lambda body: body[:2] not in UTF_16), st.integers(3, 9))
def test_any_bytes_are_lines_or_refused(body: bytes, piece: int) -> None:
    with suppress(FileRefused):
        whole = "".join(lines([body[at : at + piece] for at in range(0, len(body), piece)]))
        assert whole.encode("utf-8", "surrogateescape") == body.removeprefix(b"\xef\xbb\xbf")


block_rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.sampled_from([1.0, 2.0]), st.sampled_from(["", "n"])),
    max_size=40,
)


def block_of(rows: list[tuple[int, int, float, str]], first_line: int) -> Block:
    noted = [at for at, row in enumerate(rows) if row[3]]
    return Block(
        np.array([row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.arange(first_line, first_line + len(rows), dtype=np.uint32),
        np.array(noted, np.int64),
        [f"note of line {first_line + at}" for at in noted],
    )


@given(st.lists(block_rows, max_size=5), st.integers(1, 5), st.integers(1, 7))
def test_merged_runs_are_sorted_and_hold_the_first_of_each(
    files: list[list[tuple[int, int, float, str]]], cut: int, chunk: int
) -> None:
    runs, everything, line = [], [], 1
    for rows in files:
        block = Block.decode(block_of(rows, line).sorted().encode())
        runs.append(list(block.cut(cut)))
        everything += [(series, at, line + n, value) for n, (series, at, value, _) in enumerate(rows)]
        line += len(rows)
    conflicts: list[tuple[int, int, float, float]] = []
    once = Deduplicator(lambda *conflict: conflicts.append(conflict))
    chunks = list(rechunked((kept for kept in map(once.keep, merge(runs)) if len(kept)), chunk))
    assert all(len(one) == chunk for one in chunks[:-1])
    first: dict[tuple[int, int], tuple[int, float]] = {}
    expected_conflicts, repeated = [], 0
    for series, at, number, value in sorted(everything, key=lambda row: row[2]):
        leader = first.setdefault((series, at), (number, value))
        if leader[0] != number:
            if value == leader[1]:
                repeated += 1
            else:
                expected_conflicts.append((number, leader[0], value, leader[1]))
    assert sorted(conflicts) == sorted(expected_conflicts)
    assert (once.repeated, once.conflicting) == (repeated, len(expected_conflicts))
    if not chunks:
        assert not first
        return
    merged = joined(chunks)
    keys = list(zip(merged.position.tolist(), merged.observed_at.tolist(), strict=True))
    assert keys == sorted(first)
    assert [first[key] for key in keys] == list(zip(merged.line.tolist(), merged.value.tolist(), strict=True))
    for number, note in zip(merged.line.tolist(), merged.note_column() or [None] * len(merged), strict=True):
        assert note in (None, f"note of line {number}")
    noted = {n for file in [everything] for *_, n, _ in file}
    assert set(merged.line.tolist()) <= noted


def test_headers_are_recognised() -> None:
    assert find_delimiter("source;category;observed_at;value\n") == ";"
    assert find_delimiter('"a,b"\tvalue\n') == "\t"
    assert suggest_mapping(["When", "Sensor", "Reading", "Time stamp", "timestamp"]) == {
        "source": "Sensor", "category": None, "observed_at": "timestamp", "value": "Reading", "unit": None,
        "note": None,
    }  # fmt: skip
    layout = lay_out(["Value", " TIME "], {"observed_at": "time", "value": "value"}, {"source": "s", "category": "c"})
    assert (layout.cell, layout.constant) == ({"observed_at": 1, "value": 0}, {"source": "s", "category": "c"})
    assert layout.name_of("observed_at") == "TIME"
