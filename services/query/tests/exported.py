"""Exported files, read back as a person's programs would."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import httpx
import openpyxl
import pyarrow.parquet
from openpyxl.worksheet.worksheet import Worksheet

from telltale_query.jobs.registry import kinds
from telltale_query.jobs.runner import Runner
from telltale_query.settings import Settings
from telltale_shared.security import Role

from .conftest import Api, now, rfc3339

ODD_NOTES = [
    "=1+1",
    "+49 30 1234",
    "-2+3",
    "@SUM(A1)",
    "'quoted",
    "''",
    "\tafter a tab",
    "\rafter a line end",
    '=HYPERLINK("http://example.com")',
    "https://example.com",
    "two\nlines",
    'a "quoted", word; and\ttab',
    " outer blanks ",
    "Ω≈ç√ 温度 درجة 🌡️👩‍🔬",
    "e\u0301 \u202e right to left",
    "_x0041_",
    "<b>&amp;</b>",
    "<r>rich & broken</r>",
    "<r></r>",
    "007",
    "1e5",
    "TRUE",
]
"""What spreadsheets and parsers like to take for something else."""


async def store_odd_notes(api: Api) -> datetime:
    """One record for each of ``ODD_NOTES``, one second after the other; the instant of the first."""
    begin = now(hours=1)
    for n, note in enumerate(ODD_NOTES):
        body = {
            "source": "=press", "category": "t°", "unit": "°C", "observed_at": rfc3339(instant_of(begin, n)),
            "value": 0.1 * 3 + n, "note": note,
        }  # fmt: skip
        response = await api.call("POST", "/records", json=body, role=Role.USER)
        assert response.status_code == 201, response.text
    return begin


def instant_of(begin: datetime, n: int) -> datetime:
    """When the n-th of ``ODD_NOTES`` was observed."""
    return begin + timedelta(seconds=n, microseconds=n * 111_111 % 1_000_000)


async def export(api: Api, kind: str, role: Role = Role.VIEWER, **params: Any) -> httpx.Response:
    """The answer that is a file."""
    response = await api.call("GET", "/records/export", params={"format": kind, **params}, role=role)
    assert response.status_code == 200, response.text
    return response


def parsed(content: bytes) -> list[list[str]]:
    """The cells of a CSV file, as they stand."""
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


async def csv_rows(api: Api, **params: Any) -> list[list[str]]:
    """The cells of a CSV export, its header among them."""
    return parsed((await export(api, "csv", **params)).content)


def opened(content: bytes) -> dict[str, Worksheet]:
    """The sheets of a workbook, by name."""
    return {sheet.title: sheet for sheet in openpyxl.load_workbook(io.BytesIO(content))}


async def sheets(api: Api, **params: Any) -> dict[str, Worksheet]:
    """The sheets of an Excel export, by name."""
    return opened((await export(api, "xlsx", **params)).content)


def table(sheet: Worksheet) -> list[tuple[Any, ...]]:
    """All values of a sheet."""
    return list(sheet.iter_rows(values_only=True))


def manifest(sheet: Worksheet) -> dict[str, Any]:
    """What the sheet ``Manifest`` says."""
    return {name: value for name, value in table(sheet) if name}


def parquet(content: bytes) -> Any:
    """A Parquet file, open."""
    return pyarrow.parquet.ParquetFile(io.BytesIO(content))


async def work(api: Api) -> bool:
    """Do one light job, as the jobs process would. Whether there was one."""
    settings = Settings.model_validate({})
    return await Runner(api.engine, kinds(settings)).work_once(heavy=False)
