"""Exports that somebody waits for: exactly the records of a filter, in three kinds of file."""

import hashlib
import json
import re
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from telltale_query.exports import reading, service
from telltale_query.exports.schemas import ExportQuery
from telltale_query.exports.service import DirectExports, Exporter
from telltale_query.spreadsheet_text import unguard
from telltale_shared.security import Role

from .conftest import Api, now, rfc3339
from .exported import (
    ODD_NOTES,
    csv_rows,
    export,
    instant_of,
    manifest,
    parquet,
    sheets,
    store_odd_notes,
    table,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made, empty at first."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def exporter(api: Api) -> Exporter:
    """One that reads a few records at a time."""
    return Exporter(api.engine, max_rows=100, rows_at_once=7)


def few_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every way of cutting a selection into parts be taken."""
    reader = reading.Reader(api.engine, rows_at_once=7)
    monkeypatch.setattr(api.app.state.direct_exports.exporter, "_reader", reader)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def waits() -> bool:
    """Somebody is there."""
    return False


async def gone() -> bool:
    """Nobody is there any more."""
    return True


async def test_csv_holds_every_record_exactly(api: Api) -> None:
    await store_odd_notes(api)
    listed = await api.pages("/records", {"sort": "observed_at"}, limit=1000)
    header, *rows = await csv_rows(api, sort="observed_at")
    assert header == ["source", "category", "observed_at", "value", "unit", "note"]
    assert [unguard(row[5]) for row in rows] == ODD_NOTES
    for row, record in zip(rows, listed, strict=True):
        source, category, observed_at, value, unit, note = row
        assert (source, category, unit) == ("'=press", "t°", "°C")
        assert not note.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", observed_at)
        assert datetime.fromisoformat(observed_at) == datetime.fromisoformat(record["observed_at"])
        assert float(value) == record["value"]
        assert value == repr(record["value"])


async def test_csv_line_ends_inside_a_note_survive(api: Api) -> None:
    note = "a\rb\r\nc\nd"
    body = {"source": "s", "category": "c", "observed_at": rfc3339(now()), "value": 1, "note": note}
    assert (await api.call("POST", "/records", json=body)).status_code == 201
    assert (await csv_rows(api))[1][5] == note


async def test_a_csv_file_says_what_it_is(api: Api) -> None:
    params: dict[str, Any] = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T01:00:00+01:00"}
    response = await export(api, "csv", **params)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == (
        'attachment; filename="telltale-records-from-20261120T000000Z-to-20261121T000000Z.csv"'
    )
    assert response.headers["cache-control"] == "no-store"
    assert response.content == b"source,category,observed_at,value,unit,note\r\n"


async def test_excel_holds_text_as_text_and_numbers_as_numbers(api: Api) -> None:
    begin = await store_odd_notes(api)
    sheet = (await sheets(api, sort="observed_at"))["Records"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:H{len(ODD_NOTES) + 1}"
    header, *rows = sheet.iter_rows()
    assert [cell.value for cell in header] == [
        *("source", "category", "observed_at (UTC)", "value", "unit", "note", "anomaly_score", "anomaly_verdict")
    ]
    assert [openpyxl.utils.escape.unescape(row[5].value) for row in rows] == ODD_NOTES
    for n, row in enumerate(rows):
        assert [row[place].data_type for place in (0, 2, 3, 5)] == ["s", "d", "n", "s"]
        assert all(cell.hyperlink is None for cell in row)
        assert row[0].value == "=press"
        assert row[0].number_format == "@"
        assert row[2].number_format == "yyyy-mm-dd hh:mm:ss.000"
        assert abs(row[2].value - instant_of(begin, n)) <= timedelta(microseconds=501)
        assert row[3].value == 0.1 * 3 + n
        assert row[6].value is None


async def test_the_manifest_says_what_is_in_the_file(api: Api) -> None:
    end = now()
    await api.store([("a", "temperature", end - timedelta(seconds=n), float(n)) for n in range(1, 101)])
    params: dict[str, Any] = {"source": "a", "min_value": "50", "to": rfc3339(end), "sort": "-value"}
    book = await sheets(api, **params)
    said = manifest(book["Manifest"])
    assert said["Made by"] == "Demo viewer"
    assert abs(datetime.fromisoformat(said["Made at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert said["Time zone"].startswith("UTC")
    assert (said["Sources"], said["Categories"], said["Lowest value"]) == ("a", "all", "50.0")
    assert (said["To (exclusive)"], said["Order"]) == (rfc3339(end), "-value")
    assert (said["Rows"], said["Sheets of records"]) == (51, 1)
    lines = (await export(api, "csv", **params)).content.split(b"\r\n", 1)[1]
    assert said["SHA-256"] == hashlib.sha256(lines).hexdigest()
    assert len(table(book["Records"])) == 52


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sort": "observed_at"},
        {"sort": "value"},
        {"sort": "-value", "source": ["a", "b"]},
        {"sort": "source"},
        {"sort": "-category", "min_value": "3"},
        {"source": ["a", "c"], "category": "temperature"},
        {"max_value": "7", "sort": "-observed_at"},
        {"anomalous": "true"},
        {"anomalous": "false", "sort": "source"},
        {"from": "START", "to": "END"},
    ],
    ids=str,
)
async def test_an_export_holds_what_the_list_shows(
    api: Api, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(api, monkeypatch)
    begin = now(hours=1)
    readings = [
        (source, category, begin + timedelta(seconds=n), float(n * 3 % 11))
        for n in range(20)
        for source in "abc"
        for category in ("temperature", "pressure")
    ]
    stored = await api.store(readings)
    marked = [("temperature", 3, None), ("pressure", 5, "confirmed"), ("temperature", 9, "dismissed")]
    await api.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at, verdict)"
        " VALUES (:series_id, :at, 'd', '1', 'spike', 1, 9.5, 0, 1, 'x', :at, :verdict)",
        [
            {"series_id": stored["a", category].id, "at": begin + timedelta(seconds=n), "verdict": verdict}
            for category, n, verdict in marked
        ],
    )
    bounds = {"START": rfc3339(begin + timedelta(seconds=4)), "END": rfc3339(begin + timedelta(seconds=9))}
    asked: dict[str, Any] = {
        name: bounds.get(value, value) if isinstance(value, str) else value for name, value in params.items()
    }
    listed = await api.pages("/records", asked, limit=1000)
    assert listed
    expected = [
        (one["source"], one["category"], datetime.fromisoformat(one["observed_at"]), one["value"]) for one in listed
    ]
    _, *rows = await csv_rows(api, **asked)
    assert [(row[0], row[1], datetime.fromisoformat(row[2]), float(row[3])) for row in rows] == expected
    _, *cells = table((await sheets(api, **asked))["Records"])
    assert [(row[0], row[1], row[2].replace(tzinfo=UTC), row[3]) for row in cells] == expected
    judged = [
        (one["anomaly"]["score"], one["anomaly"]["verdict"]) if one["anomaly"] else (None, None) for one in listed
    ]
    assert [row[6:] for row in cells] == judged
    typed = parquet((await export(api, "parquet", **asked)).content).read().to_pylist()
    assert [(row["source"], row["category"], row["observed_at"], row["value"]) for row in typed] == expected
    assert [(row["anomaly_score"], row["anomaly_verdict"]) for row in typed] == judged


async def test_a_parquet_file_has_typed_columns_and_says_what_it_is(api: Api) -> None:
    begin = await store_odd_notes(api)
    file = parquet((await export(api, "parquet", sort="observed_at")).content)
    table = file.read()
    words = "dictionary<values=string, indices=int32, ordered=0>"
    assert {field.name: str(field.type) for field in table.schema} == {
        "source": words, "category": words, "observed_at": "timestamp[us, tz=UTC]", "value": "double", "unit": words,
        "note": "string", "anomaly_score": "double", "anomaly_verdict": words,
    }  # fmt: skip
    assert table["note"].to_pylist() == ODD_NOTES
    assert table["observed_at"].to_pylist() == [instant_of(begin, n).replace(tzinfo=UTC) for n in range(len(ODD_NOTES))]
    assert table["value"].to_pylist() == [0.1 * 3 + n for n in range(len(ODD_NOTES))]
    assert set(table["source"].to_pylist()) == {"=press"}
    said = json.loads(file.metadata.metadata[b"telltale.manifest"])
    assert (said["Rows"], said["Order"], said["Made by"]) == (len(ODD_NOTES), "observed_at", "Demo viewer")
    lines = (await export(api, "csv", sort="observed_at")).content.split(b"\r\n", 1)[1]
    assert said["SHA-256"] == hashlib.sha256(lines).hexdigest()


async def test_excel_shows_times_in_the_zone_asked_for(api: Api) -> None:
    # Clocks in Berlin went back on 2026-10-25 at 01:00 UTC.
    summer, winter = datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 1, 30)  # noqa: DTZ001 - naive UTC
    await api.store([("a", "c", summer, 1.0), ("a", "c", winter, 2.0)])
    book = await sheets(api, sort="observed_at", time_zone="Europe/Berlin")
    header, *rows = table(book["Records"])
    assert header[2] == "observed_at (Europe/Berlin)"
    local = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - as a clock in Berlin shows it, twice that night
    assert [row[2:4] for row in rows] == [(local, 1), (local, 2)]
    assert manifest(book["Manifest"])["Time zone"].startswith("Europe/Berlin;")


async def test_nothing_to_export_is_a_file_that_says_so(api: Api) -> None:
    book = await sheets(api, source="nobody")
    assert len(table(book["Records"])) == 1
    said = manifest(book["Manifest"])
    assert (said["Rows"], said["Sources"], said["SHA-256"]) == (0, "nobody", hashlib.sha256().hexdigest())


async def test_further_sheets_hold_what_one_cannot(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.app.state.direct_exports.exporter, "_sheet_rows", 11)
    begin = now(hours=1)
    await api.store([("a", "c", begin + timedelta(seconds=n), float(n)) for n in range(25)])
    book = await sheets(api, sort="observed_at")
    assert list(book) == ["Records", "Records 2", "Records 3", "Manifest"]
    parts = [table(book[name]) for name in ("Records", "Records 2", "Records 3")]
    assert [len(part) for part in parts] == [11, 11, 6]
    assert len({part[0] for part in parts}) == 1
    assert [row[3] for part in parts for row in part[1:]] == list(range(25))
    assert manifest(book["Manifest"])["Sheets of records"] == 3


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
async def test_too_many_records_are_refused_with_a_way_out(
    api: Api, kind: str, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.setattr(api.app.state.direct_exports, "_max_rows", 10)
    begin = now(hours=1)
    await api.store([("a", "c", begin + timedelta(seconds=n), float(n)) for n in range(12)])
    for params, count in (({}, "12 records"), ({"min_value": "0"}, "more than 10 records")):
        refused = await api.call("GET", "/records/export", params={"format": kind, **params})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        assert f"these are {count} and such a file ({kind}) holds at most 10: " in refused.json()["detail"]
        assert "POST /exports" in refused.json()["detail"]
    await export(api, kind, min_value="2")
    assert len(await csv_rows(api)) == 13
    assert left_in(scratch) == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"format": "pdf"},
        {"format": "csv", "limit": "10"},
        {"format": "csv", "cursor": "x"},
        {"format": "xlsx", "sort": "note"},
        {"format": "csv", "from": "2026-11-23T08:00:00"},
        {"format": "csv", "from": "2026-11-23T08:00:00Z", "to": "2026-11-22T08:00:00Z"},
        {"format": "xlsx", "time_zone": "Europe/Atlantis"},
        {"format": "csv", "time_zone": "Europe/Berlin"},
    ],
    ids=str,
)
async def test_a_bad_question_is_answered_as_problem_details(api: Api, params: dict[str, str]) -> None:
    refused = await api.call("GET", "/records/export", params=params)
    assert refused.status_code == 422
    assert refused.json()["errors"]


async def test_only_who_is_signed_in_may_export(api: Api) -> None:
    assert (await api.http.get("/api/v1/records/export?format=csv")).status_code == 401
    for role in Role:
        await export(api, "csv", role=role)


async def test_a_sent_workbook_leaves_nothing_behind(api: Api, scratch: Path) -> None:
    await api.store([("a", "c", now(), 1.0)])
    await export(api, "xlsx")
    assert left_in(scratch) == []


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record can be read."""

    async def fail(*_: Any) -> None:
        raise ConnectionError("the database went away")

    monkeypatch.setattr(reading, "read_rows", fail)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.usefixtures("broken")
async def test_a_file_that_fails_is_answered_as_problem_details(api: Api, kind: str, scratch: Path) -> None:
    await api.store([("a", "c", now(), 1.0)])
    failed = await api.call("GET", "/records/export", params={"format": kind})
    assert failed.status_code == 503
    assert failed.headers["content-type"] == "application/problem+json"
    assert left_in(scratch) == []


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
async def test_a_file_nobody_waits_for_is_given_up(api: Api, kind: str, scratch: Path, exporter: Exporter) -> None:
    begin = now(hours=1)
    await api.store([("a", "c", begin + timedelta(seconds=n), float(n)) for n in range(50)])
    query = ExportQuery.model_validate({"format": kind})
    assert await DirectExports(exporter).file(query, made_by="nobody", abandoned=gone) is None
    assert left_in(scratch) == []


async def test_a_download_that_is_broken_off_frees_its_file_and_connection(
    api: Api, scratch: Path, exporter: Exporter
) -> None:
    begin = now(hours=1)
    await api.store([("a", "c", begin + timedelta(seconds=n), float(n)) for n in range(50)])
    direct = DirectExports(exporter)
    for kind in ("xlsx", "csv"):
        query = ExportQuery.model_validate({"format": kind})
        if kind == "csv":
            body = await direct.csv(query)
        else:
            file = await direct.file(query, made_by="x", abandoned=waits)
            assert file is not None
            body = service.file_chunks(file)
        assert await anext(body)
        await body.aclose()
    assert left_in(scratch) == []
    assert api.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pool class in use


async def test_a_slow_client_holds_no_connection(api: Api, exporter: Exporter) -> None:
    begin = now(hours=1)
    await api.store([("a", "c", begin + timedelta(seconds=n), float(n)) for n in range(15)])
    body: AsyncIterator[bytes] = await DirectExports(exporter).csv(ExportQuery.model_validate({"format": "csv"}))
    sizes = []
    async for chunk in body:
        sizes.append(chunk.count(b"\r\n"))
        assert api.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pool class in use
    assert sum(sizes) == 16
    assert len(sizes) >= 3
