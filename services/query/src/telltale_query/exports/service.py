"""What is decided about exports: how large they may be, how they are read, and what their manifest says."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.exports import csv_file
from telltale_query.exports.schemas import ExportFormat, ExportQuery
from telltale_query.exports.xlsx_file import SHEET_ROWS, XlsxFile
from telltale_query.records.repository import read_page
from telltale_query.records.schemas import Record
from telltale_query.records.service import count_records, position_of, select_records
from telltale_query.selection import Selection
from telltale_shared.errors import InvalidRequest

log = structlog.get_logger("telltale.query.exports")

PAGE_ROWS = 1_000
"""Records in one read, small enough that nobody waits for it."""
SORTED_PAGE_ROWS = 10_000
"""The same where each read makes the database sort all that follow."""
XLSX_AT_ONCE = 2
"""Workbooks in the making; each takes most of a core. Further ones wait."""
CHUNK_BYTES = 262_144

Pages = AsyncGenerator[list[Record], None]


class Exporter:
    """Writes the records of a filter into files.

    Args:
        engine: a connection of it is held for one read only, so that nothing waits for a slow client.
        max_rows: records in one file at most.
        sheet_rows: rows of an Excel sheet at most.
    """

    def __init__(self, engine: AsyncEngine, max_rows: int, *, sheet_rows: int = SHEET_ROWS) -> None:
        self._engine = engine
        self._max_rows = max_rows
        self._sheet_rows = sheet_rows
        self._workbooks = asyncio.Semaphore(XLSX_AT_ONCE)

    async def select(self, query: ExportQuery) -> Selection:
        """The records that ``query`` asks for.

        Raises:
            InvalidRequest: a bad range, or more records than one file may hold.
        """
        async with self._engine.connect() as connection:
            selection = await select_records(connection, query)
            total = await count_records(connection, selection, self._max_rows)
        if total.count > self._max_rows or not total.exact:
            raise InvalidRequest(
                f"these are {'' if total.exact else 'more than '}{total.count:,} records and one file holds at most "
                f"{self._max_rows:,}: choose a shorter range or fewer series, or export part after part with "
                "`from` and `to`"
            )
        return selection

    async def csv(self, selection: Selection, query: ExportQuery) -> AsyncGenerator[bytes, None]:
        """The CSV file in chunks. The first read is made at once: when it fails, the request can still say so."""
        pages = self._pages(selection, query)
        none: list[Record] = []
        first = await anext(pages, none)

        async def chunks() -> AsyncGenerator[bytes, None]:
            async with aclosing(pages):
                yield csv_file.HEADER + csv_file.encode_rows(first)
                async for page in pages:
                    yield csv_file.encode_rows(page)

        return chunks()

    async def xlsx(
        self, selection: Selection, query: ExportQuery, *, made_by: str, abandoned: Callable[[], Awaitable[bool]]
    ) -> BinaryIO | None:
        """The Excel file, open at its beginning; it has no name, so that it is gone once it is closed.

        Args:
            selection: what to export.
            query: what was asked for.
            made_by: who asked.
            abandoned: tells whether nobody waits for the file any more; then the result is None.
        """
        async with self._workbooks:
            output = TemporaryFile()  # noqa: SIM115 - handed to the caller
            try:
                complete = await self._write_xlsx(output, selection, query, made_by, abandoned)
            except BaseException:
                output.close()
                raise
        if not complete:
            output.close()
            return None
        output.seek(0)
        return output

    async def _write_xlsx(
        self,
        output: BinaryIO,
        selection: Selection,
        query: ExportQuery,
        made_by: str,
        abandoned: Callable[[], Awaitable[bool]],
    ) -> bool:
        digest = hashlib.sha256()
        rows = 0
        with (
            TemporaryDirectory(prefix="telltale-export-", ignore_cleanup_errors=True) as scratch,
            XlsxFile(output, scratch, sheet_rows=self._sheet_rows) as file,
        ):

            def write(page: list[Record]) -> None:
                digest.update(csv_file.encode_rows(page))
                file.write(page)

            async with aclosing(self._pages(selection, query)) as pages:
                async for page in pages:
                    if await abandoned():
                        log.info("export abandoned", rows=rows)
                        return False
                    await asyncio.to_thread(write, page)
                    rows += len(page)
            manifest = [
                ("Made by", made_by),
                ("Made at", _instant(datetime.now(UTC))),
                ("Time zone", "UTC; to the millisecond, which is what Excel keeps: the CSV export has microseconds"),
                *_filter_entries(selection, query),
                ("Rows", rows),
                ("Sheets of records", file.sheets),
                ("SHA-256", digest.hexdigest()),
                ("", "of the lines of the same export as CSV, without its header"),
            ]
            await asyncio.to_thread(file.finish, manifest)
        return True

    async def _pages(self, selection: Selection, query: ExportQuery) -> Pages:
        sorts_all = query.sort.column == "value" or bool(selection.anomalous)
        limit = SORTED_PAGE_ROWS if sorts_all else PAGE_ROWS
        after = None
        while True:
            async with self._engine.connect() as connection:
                page = await read_page(connection, selection, query.sort, after=after, limit=limit)
            if page:
                yield page
            if len(page) < limit:
                return
            after = position_of(query, page[-1])


async def file_chunks(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    """What ``file`` holds, piece by piece; closes it."""
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def file_name(query: ExportQuery, kind: ExportFormat, now: datetime) -> str:
    """What the file is called: the range of time in it, or when it was made."""
    bounds = [f"{word}-{at:%Y%m%dT%H%M%SZ}" for word, at in (("from", query.start), ("to", query.end)) if at]
    return "-".join(["telltale-records", *(bounds or [f"{now:%Y%m%dT%H%M%SZ}"])]) + f".{kind}"


def _instant(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat() + "Z"


def _filter_entries(selection: Selection, query: ExportQuery) -> list[tuple[str, str | int]]:
    judged = {None: "any", True: "only unusual ones", False: "only those not unusual"}
    return [
        ("Sources", ", ".join(query.source) or "all"),
        ("Categories", ", ".join(query.category) or "all"),
        ("Series", len(selection.series)),
        ("From", "the first" if query.start is None else _instant(query.start)),
        ("To (exclusive)", "the last" if query.end is None else _instant(query.end)),
        ("Lowest value", "any" if query.min_value is None else repr(query.min_value)),
        ("Highest value", "any" if query.max_value is None else repr(query.max_value)),
        ("Anomalous", judged[query.anomalous]),
        ("Order", query.sort.value),
    ]
