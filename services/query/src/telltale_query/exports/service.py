"""What is decided about exports: how large they may be, how they are made, and what they are called."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import BinaryIO

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.exports import csv_file
from telltale_query.exports.files import record_file
from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch, Reader, read_ahead
from telltale_query.exports.schemas import ExportQuery
from telltale_query.exports.scratch import PREFIX
from telltale_query.exports.xlsx_file import SHEET_ROWS
from telltale_query.records.service import count_records, select_records
from telltale_query.selection import Selection
from telltale_shared.errors import InvalidRequest

log = structlog.get_logger("telltale.query.exports")

DIRECT_ROWS = 50_000
"""Records at most in a file that somebody waits for: it takes some seconds until its first byte can be sent."""
ROWS_AT_ONCE = 20_000
"""Records that one read looks at, about."""
DIRECT_ROWS_AT_ONCE = 4_000
"""The same where other requests wait while they are decoded."""
FILES_AT_ONCE = 2
"""Files in the making for requests; each takes most of a core. Further ones wait."""
CHUNK_BYTES = 262_144

OnProgress = Callable[[int], Awaitable[None]]
"""Told how many records are written so far; what it raises gives the file up."""


class Abandoned(Exception):
    """Nobody waits for the file any more."""


class Exporter:
    """Writes the records of a filter into files.

    Args:
        engine: of the database.
        max_rows: records at most in a file that is kept.
        rows_at_once: records that one read looks at, about.
        sheet_rows: rows of an Excel sheet at most.
    """

    def __init__(
        self, engine: AsyncEngine, *, max_rows: int, rows_at_once: int = ROWS_AT_ONCE, sheet_rows: int = SHEET_ROWS
    ) -> None:
        self._engine = engine
        self._reader = Reader(engine, rows_at_once=rows_at_once)
        self._sheet_rows = sheet_rows
        self.max_rows = max_rows

    async def select(self, query: ExportQuery, *, at_most: int | None = None) -> tuple[Selection, int | None]:
        """The records that ``query`` asks for, and how many they are where the rollups know.

        Args:
            query: what is asked for.
            at_most: records that the file may hold.

        Raises:
            InvalidRequest: a bad range, or more records than the file may hold.
        """
        async with self._engine.connect() as connection:
            selection = await select_records(connection, query)
            if not selection.whole_buckets_count:
                return selection, None
            total = (await count_records(connection, selection, 0)).count
        if at_most is not None and total > at_most:
            raise self._too_many(f"{total:,}", at_most, query)
        return selection, total

    async def csv(self, selection: Selection, query: ExportQuery) -> AsyncGenerator[bytes, None]:
        """A CSV file of any length in chunks. The first read is made at once: if it fails, the request can say so."""
        batches = self._reader.batches(selection, query.sort)
        first = await anext(batches, None)

        async def chunks() -> AsyncGenerator[bytes, None]:
            async with aclosing(batches):
                yield csv_file.HEADER
                if first is not None:
                    yield csv_file.encode_rows(first)
                async for batch in batches:
                    yield csv_file.encode_rows(batch)

        return chunks()

    async def write(
        self,
        output: BinaryIO,
        selection: Selection,
        query: ExportQuery,
        *,
        made_by: str,
        at_most: int,
        on_progress: OnProgress,
    ) -> int:
        """Write a whole file, and tell how many records it holds.

        Args:
            output: where it goes.
            selection: what to export.
            query: what was asked for.
            made_by: who asked.
            at_most: records that the file may hold.
            on_progress: called after each read.

        Raises:
            InvalidRequest: there are more records than the file may hold.
        """
        digest = hashlib.sha256()
        made_at = datetime.now(UTC).replace(tzinfo=None)
        rows = 0
        with record_file(output, query, sheet_rows=self._sheet_rows) as file:

            def write(batch: Batch) -> None:
                lines = csv_file.encode_rows(batch)
                digest.update(lines)
                file.write(batch, lines)

            async with aclosing(read_ahead(self._reader.batches(selection, query.sort))) as batches:
                async for batch in batches:
                    rows += len(batch.rows)
                    if rows > at_most:
                        raise self._too_many(f"more than {at_most:,}", at_most, query)
                    await asyncio.to_thread(write, batch)
                    await on_progress(rows)
            manifest = Manifest(selection, query, made_by, made_at, rows, digest.hexdigest())
            await asyncio.to_thread(file.finish, manifest)
        return rows

    def _too_many(self, count: str, at_most: int, query: ExportQuery) -> InvalidRequest:
        way_out = "choose a shorter range or fewer series, or export part after part with `from` and `to`"
        if at_most < self.max_rows:
            way_out = "have it made with `POST /exports`, or take csv"
        return InvalidRequest(
            f"these are {count} records and such a file ({query.format}) holds at most {at_most:,}: {way_out}"
        )


class DirectExports:
    """Files for requests that wait for them.

    Args:
        exporter: makes them.
        max_rows: records at most in a file that has to be complete before its first byte is sent.
    """

    def __init__(self, exporter: Exporter, *, max_rows: int = DIRECT_ROWS) -> None:
        self.exporter = exporter
        self._max_rows = max_rows
        self._slots = asyncio.Semaphore(FILES_AT_ONCE)

    async def csv(self, query: ExportQuery) -> AsyncGenerator[bytes, None]:
        """A CSV file of any length, in chunks.

        Raises:
            InvalidRequest: a bad range or sort.
        """
        selection, _ = await self.exporter.select(query)
        return await self.exporter.csv(selection, query)

    async def file(
        self, query: ExportQuery, *, made_by: str, abandoned: Callable[[], Awaitable[bool]]
    ) -> BinaryIO | None:
        """A short file, open at its beginning; it has no name, so that it is gone once it is closed.

        Args:
            query: what is asked for.
            made_by: who asks.
            abandoned: tells whether nobody waits for the file any more; then the result is None.

        Raises:
            InvalidRequest: a bad range or sort, or too many records.
        """

        async def go_on(rows: int) -> None:
            if await abandoned():
                log.info("export abandoned", rows=rows)
                raise Abandoned

        selection, _ = await self.exporter.select(query, at_most=self._max_rows)
        async with self._slots:
            output = TemporaryFile(prefix=PREFIX)  # noqa: SIM115 - handed to the caller
            try:
                await self.exporter.write(
                    output, selection, query, made_by=made_by, at_most=self._max_rows, on_progress=go_on
                )
            except Abandoned:
                output.close()
                return None
            except BaseException:
                output.close()
                raise
        output.seek(0)
        return output


async def file_chunks(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    """What ``file`` holds, piece by piece; closes it."""
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def file_name(query: ExportQuery, now: datetime) -> str:
    """What the file is called: the range of time in it, or when it was made."""
    bounds = [f"{word}-{at:%Y%m%dT%H%M%SZ}" for word, at in (("from", query.start), ("to", query.end)) if at]
    return "-".join(["telltale-records", *(bounds or [f"{now:%Y%m%dT%H%M%SZ}"])]) + f".{query.format}"
