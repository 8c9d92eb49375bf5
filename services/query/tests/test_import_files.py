"""Files as people have them: what is read, what is refused, and what is said then."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telltale_shared.security import Role

from .conftest import Api, token
from .imported import HEADER, START, at, imported, mistakes, records, row, rows, send, staged, work

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).resolve().parents[3] / "sample_data"
GOOD = row(1, 1)
NEVER_CLOSED = f'press,temp,{at(2)},2,,"begins here\r\n' + GOOD


def line(**cells: str) -> str:
    """One line with the cells of a good row but for ``cells``."""
    good = {"source": "press", "category": "temp", "observed_at": at(5), "value": "1", "unit": "", "note": ""}
    return ",".join({**good, **cells}.values()) + "\r\n"


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        (line(value="warm"), "value", "must be a number with a decimal point"),
        (line(value='"21,5"'), "value", "not a comma"),
        (line(value="1_000"), "value", "must be a number with a decimal point"),
        (line(value="١٢"), "value", "must be a number with a decimal point"),
        (line(value="NaN"), "value", "must be finite"),
        (line(value="-inf"), "value", "must be finite"),
        (line(value="1e999"), "value", "lies outside of ±1e+100"),
        (line(value="1e101"), "value", "lies outside of ±1e+100"),
        (line(value=""), "value", "every row needs a value"),
        (line(value="=1+1"), "value", "must be a number with a decimal point"),
        (line(observed_at="9999-12-31T23:59:59Z"), "observed_at", "lies in the future"),
        (line(observed_at="1999-12-31T23:59:59Z"), "observed_at", "older records are not kept"),
        (line(observed_at="2026-11-23T08:00:00"), "observed_at", "has no offset: write it like"),
        (line(observed_at="23.11.2026 08:00"), "observed_at", "must be a time with its offset"),
        (line(observed_at="2026-02-30T08:00:00Z"), "observed_at", "no time that exists"),
        (line(observed_at="2026-11-23T08:00:60Z"), "observed_at", "no time that exists"),
        (line(observed_at="2026-11-23T08:00:00+24:00"), "observed_at", "no time that exists"),
        (line(observed_at=""), "observed_at", "is missing"),
        (line(source=""), "source", "1 to 100 printable characters"),
        (line(source=" press"), "source", "without outer blanks"),
        (line(source="x" * 101), "source", "1 to 100 printable characters"),
        (line(category='"two\nlines"'), "category", "printable characters"),
        (line(unit="u" * 33), "unit", "1 to 32 printable characters"),
        (line(note="n" * 501), "note", "at most 500"),
        (line(note="a\0b"), "note", "holds a NUL byte"),
        (line(source="a\0b"), "source", "holds a NUL byte"),
        (f"press,temp,{at(5)},1\r\n", None, "has 4 cells, the first line has 6"),
        (line(note="n,one too many"), None, "has 7 cells, the first line has 6"),
        (line(value='"1"x'), None, "text after a closing quote"),
        (line(note='"' + "x" * 140_000 + '"'), None, "a quote is probably never closed"),
    ],
)
async def test_a_bad_row_is_named_by_line_column_and_reason(
    api: Api, bad: str, column: str | None, reason: str
) -> None:
    one = await imported(api, HEADER + GOOD + bad + row(3, 3), on_error="skip")
    (error,) = await mistakes(api, one)
    assert (error["line"], error["column"]) == (3, column)
    assert reason in error["reason"]
    assert (one["rows"]["read"], one["rows"]["bad"], one["rows"]["stored"]) == (3, 1, 2)


async def test_bytes_that_are_not_utf_8_are_named_by_line(api: Api) -> None:
    bad = line(note="20 ?C").encode().replace(b"?", b"\xb0")
    one = await imported(api, HEADER.encode() + GOOD.encode() + bad + row(3, 3).encode(), on_error="skip")
    (error,) = await mistakes(api, one)
    assert (error["line"], error["column"], error["value"]) == (3, "note", "20 \\udcb0C")
    assert "not UTF-8" in error["reason"]
    assert one["rows"]["stored"] == 2


async def test_a_quote_that_is_never_closed_is_found_where_it_begins(api: Api) -> None:
    one = await imported(api, HEADER + GOOD + row(3, 3) + NEVER_CLOSED, on_error="skip")
    (error,) = await mistakes(api, one)
    assert (error["line"], error["reason"]) == (4, "begins a quote that is never closed")
    assert one["rows"]["stored"] == 2


@pytest.mark.parametrize(
    ("content", "column", "reason"),
    [
        ("source,category,observed_at\r\n", "value", "the column value is missing"),
        ("category,observed_at,value\r\n", "source", "say which source all rows have"),
        ("source,category,observed_at,value,colour\r\n", "colour", "'colour' is unknown"),
        ("source,category,observed_at,value,Value\r\n", "Value", "there twice"),
        ("Time;Reading\r\n", "Time", "'Time' is unknown"),
        ("\r\n\r\n", None, "the file is empty"),
        ("x" * 1_100_000, None, "is this a CSV file?"),
        ("source,category\r\n".encode("utf-32"), None, "is UTF-32: save it as UTF-8"),
        ("source,category\r\n".encode("utf-16-le"), None, "looks like UTF-16 without a byte order mark"),
        (HEADER.encode("utf-16")[:-1], None, "ends within a UTF-16 character"),
    ],
)
async def test_a_file_that_cannot_be_read_is_rejected_whatever_is_done_with_bad_rows(
    api: Api, content: str | bytes, column: str | None, reason: str
) -> None:
    one = await imported(api, content, on_error="skip")
    assert one["state"] == "rejected"
    (error,) = await mistakes(api, one)
    assert error["column"] == column
    assert reason in error["reason"]
    assert await staged(api) == 0


async def test_duplicates_within_a_file(api: Api) -> None:
    content = HEADER + row(2, 1) + row(1, 5) + row(2, 1, note="again") + row(2, 9) + row(1, 5)
    one = await imported(api, content, on_error="skip")
    assert (one["rows"]["stored"], one["rows"]["repeated"], one["rows"]["bad"]) == (2, 2, 1)
    (error,) = await mistakes(api, one)
    assert (error["line"], error["value"]) == (5, "9.0")
    assert "line 2, which has 1.0" in error["reason"]
    assert (await imported(api, content))["state"] == "rejected"


async def test_units_are_those_of_the_series(api: Api) -> None:
    content = HEADER + row(5, 1) + row(4, 1, unit="°C") + row(3, 1, unit="K") + row(2, 1)
    one = await imported(api, content, on_error="skip")
    (error,) = await mistakes(api, one)
    assert (error["line"], error["column"], error["value"]) == (4, "unit", "K")
    assert "press · temp is in '°C'" in error["reason"]
    assert {unit for *_, unit, _, _ in await records(api)} == {"°C"}
    later = await imported(api, HEADER + row(1, 1, unit="K"), on_error="skip")
    (error,) = await mistakes(api, later)
    assert "which are in '°C'" in error["reason"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
async def test_encodings_and_line_ends(api: Api, encoding: str, end: str) -> None:
    content = (HEADER + row(2, 1, unit="°C", note="\U0001f321") + row(1, 2, unit="°C")).replace("\r\n", end)
    mark = "\ufeff" if "mark" in encoding else ""
    one = await imported(api, (mark + content).encode(encoding.split()[0]))
    assert one["state"] == "applied", await mistakes(api, one)
    assert [note for *_, note, _ in await records(api)] == ["\U0001f321", None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("said", [False, True])
async def test_delimiters_are_found_or_said(api: Api, delimiter: str, said: bool) -> None:
    content = (HEADER + row(2, 1) + row(1, 2)).replace(",", delimiter)
    options = {"delimiter": {"\t": "tab"}.get(delimiter, delimiter)} if said else {}
    assert (await imported(api, content, **options))["rows"]["stored"] == 2


async def test_a_file_that_names_too_many_series_is_rejected(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.imports.series.SERIES_MAX", 3)
    content = HEADER + "".join(row(9 - n, n, source=f"s-{n}") for n in range(5))
    one = await imported(api, content, on_error="skip")
    assert one["state"] == "rejected"
    assert "are the columns source and category the right ones?" in (await mistakes(api, one))[0]["reason"]


async def test_quotes_hold_line_breaks_delimiters_and_quotes(api: Api) -> None:
    notes = ["two\r\nlines", 'a "quote"', "a, comma", "\n", "three\n\nlines"]
    quoted = [note.replace('"', '""') for note in notes]
    content = HEADER + "".join(row(9 - n, n, note=f'"{note}"') for n, note in enumerate(quoted)) + row(1, "x")
    one = await imported(api, content, on_error="skip")
    assert [note for *_, note, _ in await records(api)] == notes
    # Lines are those of the file, not of the rows.
    (error,) = await mistakes(api, one)
    assert error["line"] == 2 + sum(1 + note.count("\n") for note in notes)


async def test_blank_lines_are_skipped(api: Api) -> None:
    one = await imported(api, "\r\n" + HEADER + "\r\n" + GOOD + ",,,,,\r\n  \r\n" + row(3, "x"), on_error="skip")
    assert (one["rows"]["read"], one["rows"]["stored"]) == (2, 1)
    assert [error["line"] for error in await mistakes(api, one)] == [7]


async def test_formulas_are_stored_as_text(api: Api) -> None:
    notes = ["=1+1", "'=1+1", "''x", "'x", "+49 30", "-", "@home", "'", "''"]
    content = HEADER + "".join(row(20 - n, n, note=note) for n, note in enumerate(notes))
    await imported(api, content)
    stored = [note for *_, note, _ in await records(api)]
    assert stored == ["=1+1", "=1+1", "'x", "'x", "+49 30", "-", "@home", "'", "'"]


async def test_columns_are_mapped_and_constants_given(api: Api) -> None:
    content = f"Time;Reading;Colour;Remark\n{at(1)};1.5;red;fine\n"
    mapping = json.dumps({"observed_at": "Time", "value": "reading", "note": "Remark"})
    one = await imported(api, content, mapping=mapping, source="press", category="temp", unit="°C")
    assert one["state"] == "applied", await mistakes(api, one)
    ((source, category, _, value, unit, note, _),) = await records(api)
    assert (source, category, value, unit, note) == ("press", "temp", 1.5, "°C", "fine")
    missing = await imported(api, content, mapping=json.dumps({"observed_at": "When", "value": "Reading"}))
    assert "no column 'When'" in (await mistakes(api, missing))[0]["reason"]


async def test_local_times_are_read_in_the_zone_of_the_file(api: Api) -> None:
    summer = _last_change(datetime.now(UTC))
    twice = summer.replace(hour=2, minute=30)
    content = HEADER + "".join(
        line(observed_at=text, source=f"s-{n}")
        for n, text in enumerate(
            [
                f"{summer.replace(hour=1):%Y-%m-%d %H:%M:%S}",
                f"{summer.replace(hour=4):%Y-%m-%d %H:%M:%S.250}",
                f"{twice:%Y-%m-%dT%H:%M:%S}",
                f"{twice:%Y-%m-%dT%H:%M:%S}+01:00",
            ]
        )
    )
    one = await imported(api, content, time_zone="Europe/Berlin", on_error="skip")
    (error,) = await mistakes(api, one)
    assert error["line"] == 4
    assert "happens twice in Europe/Berlin" in error["reason"]
    assert "+02:00 or" in error["reason"]
    times = [observed_at for _, _, observed_at, *_ in await records(api)]
    day = summer.replace(tzinfo=None)
    assert times == [
        day.replace(hour=1) - timedelta(hours=2),
        day.replace(hour=4, microsecond=250_000) - timedelta(hours=1),
        day.replace(hour=1, minute=30),
    ]


def _last_change(today: datetime) -> datetime:
    """The day in autumn on which clocks in Berlin were last put back."""
    for year in (today.year, today.year - 1):
        last = datetime(year, 10, 31, tzinfo=UTC)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        if sunday < today - timedelta(days=1):
            return sunday
    raise AssertionError("unreachable: there is one every year")


async def test_sample_files(api: Api) -> None:
    sample = await imported(api, _brought_to_now("records_sample.csv"))
    assert (sample["state"], sample["rows"]["stored"]) == ("applied", 3_072), await mistakes(api, sample)
    content = _brought_to_now("records_with_mistakes.csv")
    rejected = await imported(api, content)
    assert rejected["state"] == "rejected"
    found = await mistakes(api, rejected)
    assert len(found) == rejected["rows"]["bad"] == 22
    assert len({error["reason"].split(":")[0] for error in found}) >= 17
    taken = await imported(api, content, on_error="skip")
    assert (taken["rows"]["stored"], taken["rows"]["repeated"]) == (4, 1)


def _brought_to_now(name: str) -> bytes:
    """A sample as it is the day after it was made, whatever day it is: its times are in November 2026."""
    content = (SAMPLES / name).read_bytes()
    yesterday = START.date() - timedelta(days=1)
    for day in (20, 21, 22, 23):
        new = yesterday - timedelta(days=23 - day)
        content = content.replace(f"2026-11-{day}".encode(), f"{new}".encode())
    return content


# --- the upload itself


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"mapping": "{"}, "mapping"),
        ({"mapping": '{"colour": "x"}'}, "mapping"),
        ({"mapping": "[" * 4_000}, "mapping"),
        ({"mapping": '{"value": 1}'}, "mapping"),
        ({"on_conflict": "maybe"}, "on_conflict"),
        ({"delimiter": "|"}, "delimiter"),
        ({"dryrun": "true"}, "dryrun"),
    ],
)
async def test_bad_options_are_refused(api: Api, options: dict[str, Any], field: str) -> None:
    refused = await send(api, HEADER + GOOD, **options)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert await rows(api, "SELECT 1 FROM imports") == []


async def test_options_may_come_as_form_fields(api: Api) -> None:
    answer = await api.http.post(
        "/api/v1/imports", headers={"Authorization": f"Bearer {token(Role.USER)}"},
        data={"dry_run": "true", "on_error": "skip"}, files={"file": ("f.csv", HEADER + GOOD)},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    assert answer.json()["options"]["dry_run"] is True
    refused = await api.http.post(
        "/api/v1/imports", headers={"Authorization": f"Bearer {token(Role.USER)}"}, data={"dry_run": "perhaps"},
        files={"file": ("f.csv", HEADER + GOOD)},
    )  # fmt: skip
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "dry_run"


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "text/csv"}, b"source\r\n"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nnot a header\r\n"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n"),
        ({"Content-Type": f"multipart/form-data; boundary={'x' * 300}"}, b""),
        ({}, b""),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n\r\n--x--\r\n',
        ),
    ],
)
async def test_what_is_no_upload_is_refused(api: Api, headers: dict[str, str], content: bytes) -> None:
    authorised = {"Authorization": f"Bearer {token(Role.USER)}", **headers}
    refused = await api.http.post("/api/v1/imports", headers=authorised, content=content)
    assert refused.status_code == 422, refused.text
    assert await rows(api, "SELECT 1 FROM imports UNION ALL SELECT 1 FROM jobs") == []


@pytest.mark.parametrize(
    ("second", "field", "message"),
    [
        ('name="file"; filename="b.csv"', "file", "one file"),
        ('name="dry_run"', "dry_run", "before the file"),
    ],
)
async def test_what_follows_the_file_is_not_passed_over(api: Api, second: str, field: str, message: str) -> None:
    first = 'name="file"; filename="a.csv"'
    parts = "".join(
        f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n"
        for head, body in ((first, HEADER + GOOD), (second, "true"))
    )
    headers = {"Authorization": f"Bearer {token(Role.USER)}", "Content-Type": "multipart/form-data; boundary=x"}
    refused = await api.http.post("/api/v1/imports", headers=headers, content=f"{parts}--x--\r\n".encode())
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == field
    assert message in refused.json()["detail"]
    assert await rows(api, "SELECT 1 FROM imports UNION ALL SELECT 1 FROM jobs") == []
    assert await staged(api) == 0


async def test_a_body_that_does_not_end_after_the_file_is_refused(api: Api) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    headers = {"Authorization": f"Bearer {token(Role.USER)}", "Content-Type": "multipart/form-data; boundary=x"}

    async def body() -> Any:
        yield head + HEADER.encode() + GOOD.encode() + b"\r\n--x--\r\n"
        while True:
            yield b"x" * 8_192

    async with asyncio.timeout(60):
        refused = await api.http.post("/api/v1/imports", headers=headers, content=body())
    assert refused.status_code == 422
    assert await rows(api, "SELECT 1 FROM imports UNION ALL SELECT 1 FROM jobs") == []


async def test_an_upload_that_breaks_off_leaves_nothing(api: Api) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    content = head + HEADER.encode() + GOOD.encode() * 40_000
    headers = {"Authorization": f"Bearer {token(Role.USER)}", "Content-Type": "multipart/form-data; boundary=x"}
    refused = await api.http.post("/api/v1/imports", headers=headers, content=content)
    assert refused.status_code == 400
    assert "send it again" in refused.json()["detail"]
    assert await rows(api, "SELECT 1 FROM imports UNION ALL SELECT 1 FROM jobs") == []
    assert await staged(api) == 0


async def test_a_file_of_2_gb_is_refused_before_it_is_sent(api: Api) -> None:
    headers = {
        "Authorization": f"Bearer {token(Role.USER)}",
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(2 << 30),
    }
    sent = 0

    async def body() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 65_536

    refused = await api.http.post("/api/v1/imports", headers=headers, content=body())
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert "at most 1,073,741,824 bytes" in refused.json()["detail"]
    assert "import it in parts" in refused.json()["detail"]
    assert sent <= 1


async def test_a_file_that_turns_out_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    small = api.app.state.settings.model_copy(update={"import_max_bytes": 2_000_000})
    monkeypatch.setattr("telltale_query.imports.endpoints._settings", lambda _: small)
    refused = await send(api, HEADER + GOOD * 60_000)
    assert refused.status_code == 413
    assert "at most 2,000,000 bytes" in refused.json()["detail"]
    assert await rows(api, "SELECT 1 FROM imports UNION ALL SELECT 1 FROM jobs") == []
    assert await staged(api) == 0


async def test_only_so_many_imports_of_one_account_are_at_work(api: Api) -> None:
    for _ in range(10):
        assert (await send(api, HEADER + GOOD)).status_code == 202
    refused = await send(api, HEADER + GOOD)
    assert refused.status_code == 429
    assert "wait until one has ended" in refused.json()["detail"]
    await work(api)
    assert (await send(api, HEADER + GOOD)).status_code == 202


async def test_a_file_whose_upload_died_is_ended(api: Api) -> None:
    """The process that took it in is gone: nobody renews the lease, and another one finds it."""
    await send(api, HEADER + GOOD)
    await api.run("UPDATE imports SET sha256 = NULL")
    await api.run(
        "UPDATE jobs SET state = 'running', lease_owner = 'upload', lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
    )
    await work(api)
    (one,) = (await api.get("/imports"))["items"]
    assert (one["state"], one["job"]["problem"]) == ("failed", "The file did not arrive whole: send it again.")


async def test_errors_are_paged_and_downloaded(api: Api) -> None:
    content = HEADER + "".join(row(n, "=cmd") for n in range(25))
    one = await imported(api, content)
    errors = await api.pages(f"/imports/{one['id']}/errors", {}, limit=10)
    assert [error["line"] for error in errors] == list(range(2, 27))
    answer = await api.call("GET", f"/imports/{one['id']}/errors", params={"format": "csv"}, role=Role.VIEWER)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.split("\r\n")
    assert lines[:2] == ["line,column,value,reason", "2,value,'=cmd,must be a number with a decimal point"]
    assert len(lines) == 27


async def test_a_column_that_looks_like_a_formula_is_none_in_the_download(api: Api) -> None:
    one = await imported(api, "=1+1,source\r\n")
    answer = await api.call("GET", f"/imports/{one['id']}/errors", params={"format": "csv"})
    assert answer.text.split("\r\n")[1].startswith("1,'=1+1,")


async def test_a_column_that_is_there_twice_may_have_a_long_name(api: Api) -> None:
    name = "x" * 120
    header = f"source,category,observed_at,{name},{name}\r\n"
    one = await imported(api, header, mapping=json.dumps({"value": name}))
    assert one["state"] == "rejected"
    assert "there twice" in (await mistakes(api, one))[0]["reason"]


async def test_only_so_many_errors_are_kept_but_all_are_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.imports.checking.MISTAKES_KEPT", 1_500)
    one = await imported(api, HEADER + "source,category,now,x,,\r\n" * 9_000)
    assert one["rows"]["bad"] == 9_000
    assert (await api.get(f"/imports/{one['id']}/errors"))["total"] == 1_500


async def test_a_preview_shows_how_a_file_would_be_read(api: Api) -> None:
    content = f"Timestamp;Sensor;Metric;Reading;Comment\n{at(1)};press;temp;1.5;fine\n{at(2)};press;temp;warm;\n"
    answer = await api.http.post(
        "/api/v1/imports/preview", headers={"Authorization": f"Bearer {token(Role.USER)}"},
        files={"file": ("f.csv", content)},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert (seen["delimiter"], seen["header"]) == (";", ["Timestamp", "Sensor", "Metric", "Reading", "Comment"])
    assert seen["mapping"] == {
        "source": "Sensor", "category": "Metric", "observed_at": "Timestamp", "value": "Reading", "unit": None,
        "note": "Comment",
    }  # fmt: skip
    assert seen["rows"] == [[at(1), "press", "temp", "1.5", "fine"], [at(2), "press", "temp", "warm", ""]]
    assert [(one["line"], one["column"]) for one in seen["problems"]] == [(3, "Reading")]
    for content in ("", "\0\0", "a", "source,category,observed_at,value\n" + "x" * 100_000):
        answer = await api.http.post(
            "/api/v1/imports/preview", headers={"Authorization": f"Bearer {token(Role.USER)}"},
            files={"file": ("f.csv", content)},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
