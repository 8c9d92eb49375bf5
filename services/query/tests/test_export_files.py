"""The kinds of file, without a database: whatever a record holds, a reader finds it again."""

import io
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from telltale_query.exports.csv_file import encode_rows
from telltale_query.exports.files import record_file
from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch
from telltale_query.exports.rows import Row
from telltale_query.exports.schemas import ExportQuery
from telltale_query.exports.xlsx_file import serial
from telltale_query.selection import Range, Selection
from telltale_query.spreadsheet_text import guard, unguard
from telltale_shared.store.series import Series

from .exported import ODD_NOTES, parquet, parsed, table

EPOCH = datetime(2026, 11, 1)  # noqa: DTZ001 - naive UTC, as everywhere inside
ANY = st.characters(codec="utf-8")
TEXTS = st.sampled_from(ODD_NOTES) | st.text(ANY, min_size=1, max_size=20)
VALUES = st.floats(-1e100, 1e100)


@st.composite
def batches(draw: st.DrawFn, *, texts: st.SearchStrategy[str] = TEXTS) -> list[Batch]:
    """Some batches of a few series."""
    ids = [*range(1, draw(st.integers(1, 3)) + 1)]
    series = {n: Series(n, draw(texts), draw(texts), draw(st.none() | texts), 0.0) for n in ids}
    at = st.integers(0, 86_400_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))
    judgement = st.tuples(VALUES, st.none() | st.sampled_from(["confirmed", "dismissed"]))
    made = []
    for _ in range(draw(st.integers(0, 3))):
        rows: list[Row] = draw(
            st.lists(st.tuples(st.sampled_from(ids), at, VALUES, st.none() | texts), min_size=1, max_size=8)
        )
        judged = draw(st.lists(st.sampled_from(rows), max_size=3))
        made.append(Batch(rows, series, {(row[0], row[1]): draw(judgement) for row in judged}))
    return made


def written(made: list[Batch], kind: str, *, sheet_rows: int = 1_000, **asked: Any) -> bytes:
    query = ExportQuery.model_validate({"format": kind, **asked})
    output = io.BytesIO()
    with record_file(output, query, sheet_rows=sheet_rows) as file:
        for batch in made:
            file.write(batch, encode_rows(batch))
        rows = sum(len(batch.rows) for batch in made)
        manifest = Manifest(Selection((), everything=True, range=Range()), query, "Me", EPOCH, rows, "0" * 64)
        file.finish(manifest)
    return output.getvalue()


def expected(made: list[Batch]) -> list[tuple[Any, ...]]:
    found = []
    for batch in made:
        for series_id, at, value, note in batch.rows:
            one = batch.series[series_id]
            judgement = batch.judgements.get((series_id, at), (None, None))
            found.append((one.source, one.category, at, value, one.unit, note, *judgement))
    return found


def text_of(cell: Any) -> Any:
    """What Excel shows: it writes characters that XML cannot hold as ``_xHHHH_``."""
    return unescape(cell) if isinstance(cell, str) else cell


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=batches(), sheet_rows=st.sampled_from([2, 5, 1_000]))
def test_excel_reads_back_identical(made: list[Batch], sheet_rows: int) -> None:
    book = openpyxl.load_workbook(io.BytesIO(written(made, "xlsx", sheet_rows=sheet_rows)))
    *sheets, last = book.worksheets
    assert last.title == "Manifest"
    assert all(sheet.max_row <= sheet_rows for sheet in sheets)
    assert all(cell.data_type in "snd" for sheet in sheets for row in sheet.iter_rows() for cell in row)
    found = [tuple(map(text_of, row)) for sheet in sheets for row in table(sheet)[1:]]
    wanted = expected(made)
    assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in wanted]
    assert all(
        abs(is_at - at) <= timedelta(microseconds=501)
        for (_, _, is_at, *_), (_, _, at, *_) in zip(found, wanted, strict=True)
    )


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed here")
def test_libreoffice_reads_the_same(tmp_path: Path) -> None:
    series = {1: Series(1, "=press", "t°", "<r>°C</r>", 0.0)}
    # It counts a carriage return among the white space of a line.
    notes = [note for note in ODD_NOTES if "\r" not in note]
    rows: list[Row] = [(1, EPOCH + timedelta(seconds=n, milliseconds=n), n / 4, note) for n, note in enumerate(notes)]
    made = [Batch(rows, series, {rows[0][:2]: (9.5, "confirmed")})]
    (tmp_path / "file.xlsx").write_bytes(written(made, "xlsx", sheet_rows=11))
    every_sheet_as_shown = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", profile, "--headless", "--convert-to", every_sheet_as_shown, "--outdir", tmp_path, "file.xlsx"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    found = []
    for name in ("Records", "Records 2", "Records 3"):
        found += parsed((tmp_path / f"file-{name}.csv").read_bytes())[1:]
    shown = [(s, c, at.isoformat(" ", "milliseconds"), f"{v:g}", u, n) for s, c, at, v, u, n, *_ in expected(made)]
    assert [tuple(row[:6]) for row in found] == shown
    assert found[0][6:] == ["9.5", "confirmed"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=batches(texts=st.text(ANY, min_size=1, max_size=20)))
def test_parquet_reads_back_identical(made: list[Batch]) -> None:
    file = parquet(written(made, "parquet"))
    found = [tuple(row.values()) for row in file.read().to_pylist()]
    naive = [(*row[:2], row[2].replace(tzinfo=None), *row[3:]) for row in found]
    assert naive == expected(made)


@given(made=batches(texts=st.text(ANY, min_size=1, max_size=20)))
def test_csv_reads_back_identical(made: list[Batch]) -> None:
    header, *lines = parsed(written(made, "csv"))
    assert header == ["source", "category", "observed_at", "value", "unit", "note"]
    assert [
        (unguard(source), unguard(category), datetime.fromisoformat(at).replace(tzinfo=None), float(value), unit, note)
        for source, category, at, value, unit, note in lines
    ] == [(*row[:4], guard(row[4] or ""), guard(row[5] or "")) for row in expected(made)]


@given(at=st.datetimes(EPOCH, EPOCH + timedelta(days=3_650)))
@example(at=datetime(2026, 12, 31, 23, 59, 59, 999_600))  # noqa: DTZ001 - naive UTC
def test_excels_time_is_the_nearest_millisecond(at: datetime) -> None:
    milliseconds = round(serial(at) * 86_400_000)
    shown = datetime(1899, 12, 30) + timedelta(milliseconds=milliseconds)  # noqa: DTZ001 - naive UTC
    assert abs(shown - at) <= timedelta(microseconds=500)


def test_a_row_group_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from telltale_query.exports import parquet_file

    monkeypatch.setattr(parquet_file, "ROW_GROUP", 100)
    series = {1: Series(1, "a", "b", None, 0.0)}
    rows: list[Row] = [(1, EPOCH + timedelta(seconds=n), float(n), None) for n in range(70)]
    made = [Batch(rows, series, {})] * 5
    path = tmp_path / "file.parquet"
    path.write_bytes(written(made, "parquet"))
    metadata = parquet(path.read_bytes()).metadata
    assert metadata.num_rows == 350
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [140, 140, 70]
