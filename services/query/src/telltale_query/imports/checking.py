"""The first half of an import: every row is read and checked, and the good ones are sorted, before any is stored.

Nothing here touches records. Broken off anywhere, it begins again from the uploaded file.

Rows are sorted in runs that fit into memory and then merged into chunks in the order of the clustered key: so a chunk
is stored with few page reads, touches each rollup bucket once, and repeats within the file stand side by side.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports import staging
from telltale_query.imports.blocks import Block, joined
from telltale_query.imports.header import find_delimiter, lay_out, read_cells
from telltale_query.imports.merging import Deduplicator, merge, rechunked
from telltale_query.imports.parsing import Parser, RowError
from telltale_query.imports.repository import change_import
from telltale_query.imports.rows import read_rows
from telltale_query.imports.schemas import ImportRecord, Mistake
from telltale_query.imports.series import SeriesTable
from telltale_query.imports.text import FileRefused, first_line, lines
from telltale_query.imports.times import TimeParser
from telltale_query.jobs.files import read_piece
from telltale_query.jobs.run import JobRun
from telltale_query.jobs.threads import Loop
from telltale_shared.database import in_transaction
from telltale_shared.instants import instant, microseconds
from telltale_shared.store.series import Identity, Series, find_series
from telltale_shared.validation import TimeBounds

PARSED_AT_ONCE = 4_000
"""Rows: few enough to stay in the processor's cache."""
RUN_ROWS = 250_000
RUN_BYTES = 12 << 20
"""A run ends at either; sorting takes three times as much."""
STAGED_ROWS = 12_500
"""In a chunk of a run."""
CHUNK_ROWS = 20_000
"""In a chunk that is stored at once."""
MISTAKES_KEPT = 10_000
LOOKED_UP_AT_ONCE = 1_000


class Checking:
    """Checks one file; :meth:`run` blocks and is called in a thread of its own.

    Args:
        run: the job.
        record: the import.
        bounds: the times that a row may have.
        loop: does what needs I/O.
    """

    def __init__(self, run: JobRun, record: ImportRecord, bounds: TimeBounds, loop: Loop) -> None:
        self._run = run
        self._record = record
        self._loop = loop
        self._times = TimeParser(bounds, record.options.zone)
        self._series = SeriesTable(self._find_series)
        self._mistakes: list[Mistake] = []
        self._mistakes_kept = 0
        self._bytes_read = 0
        self._runs = 0
        self._held: list[Block] = []
        self._held_rows = self._held_bytes = 0
        self._good = 0
        self.read = self.bad = self.repeated = 0
        self.refused = False
        """Whether the file as a whole cannot be taken, whatever is to be done with bad rows."""

    def run(self) -> None:
        """Check the file; afterwards its chunks, series, errors and counts are in the database."""
        try:
            self._read_file()
            self._merge()
        except FileRefused as refused:
            self.refused = True
            self._complain([RowError(refused.line, refused.column, refused.value, refused.reason)])
        self._keep_mistakes()
        good = max(0, self.read - self.bad)
        self._transaction(
            partial(
                change_import, import_id=self._record.id, rows_read=self.read, rows_bad=self.bad, rows_good=good,
                rows_repeated=self.repeated,
            )
        )  # fmt: skip

    # --- reading

    def _read_file(self) -> None:
        rest = lines(self._pieces())
        line, first = first_line(rest)
        options = self._record.options
        known = (*(options.columns or {}).values(), "source", "category", "observed_at", "value", "unit", "note")
        delimiter = options.separator or find_delimiter(first, known)
        layout = lay_out(read_cells(first, delimiter), options.columns, options.constants)
        parser = Parser(layout, self._series, self._times)
        for rows in read_rows(rest, delimiter, at_once=PARSED_AT_ONCE, first_line=line + 1):
            parsed = parser.parse(rows)
            self.read += parsed.read
            self._complain(parsed.errors)
            self._hold(parsed.good)
            self._report()

    def _pieces(self) -> Iterator[bytes]:
        """The file; the next piece is fetched while this one is worked on."""
        upcoming = self._loop.begin(read_piece(self._run.engine, self._record.job_id, 0))
        for number in itertools.count(1):
            piece = upcoming.result()
            if piece is None:
                return
            upcoming = self._loop.begin(read_piece(self._run.engine, self._record.job_id, number))
            self._bytes_read += len(piece)
            yield piece

    def _report(self) -> None:
        """Tell how far it is, and stop here when nobody wants it any more."""
        expected = self.read * self._record.file_bytes // max(1, self._bytes_read)
        self._loop.run(self._run.progress(phase="checking", rows_done=self.read, rows_total=max(expected, self.read)))
        self._loop.run(self._run.checkpoint())

    def _find_series(self, wanted: Sequence[Identity]) -> Mapping[Identity, Series]:
        found: dict[Identity, Series] = {}

        async def look(some: Sequence[Identity]) -> None:
            async with self._run.engine.connect() as connection:
                found.update(await find_series(connection, some))

        for begin in range(0, len(wanted), LOOKED_UP_AT_ONCE):
            self._loop.run(look(wanted[begin : begin + LOOKED_UP_AT_ONCE]))
        return found

    # --- errors

    def _complain(self, errors: Sequence[RowError]) -> None:
        self.bad += len(errors)
        room = MISTAKES_KEPT - self._mistakes_kept - len(self._mistakes)
        self._mistakes += [Mistake(one.line, one.column, one.value, one.reason) for one in errors[:room]]
        if len(self._mistakes) >= 1_000:
            self._keep_mistakes()

    def _keep_mistakes(self) -> None:
        first = self._mistakes_kept + 1
        self._mistakes_kept += len(self._mistakes)
        self._transaction(
            partial(staging.write_mistakes, import_id=self._record.id, mistakes=self._mistakes, first=first)
        )
        self._mistakes = []

    # --- sorting

    def _hold(self, block: Block) -> None:
        if len(block):
            self._good += len(block)
            self._held.append(block)
            self._held_rows += len(block)
            self._held_bytes += block.size
        if self._held_rows >= RUN_ROWS or self._held_bytes >= RUN_BYTES:
            self._runs += 1
            for number, chunk in enumerate(self._sorted_run().cut(STAGED_ROWS)):
                self._write_chunk(self._runs, number, chunk)

    def _sorted_run(self) -> Block:
        whole = joined(self._held)
        self._held = []
        self._held_rows = self._held_bytes = 0
        return whole.sorted()

    def _merge(self) -> None:
        """Write the chunks that are to be stored, and what the file says of its series."""
        self._loop.run(self._run.progress(phase="sorting", rows_total=self.read - self.bad))
        runs = [self._staged(run) for run in range(1, self._runs + 1)]
        if self._held:
            # What is still in memory need not go through the database; without further runs nothing does.
            runs.append(self._sorted_run().cut(STAGED_ROWS))
        once = Deduplicator(self._on_conflict)
        spans = _Spans()
        done = 0
        kept = (one for one in map(once.keep, merge(runs)) if len(one))
        for number, chunk in enumerate(rechunked(kept, CHUNK_ROWS)):
            self._write_chunk(staging.FINAL, number, chunk)
            spans.add(chunk)
            done += len(chunk)
            self._loop.run(self._run.progress(rows_done=done))
            self._loop.run(self._run.checkpoint())
        self.repeated = once.repeated
        if done + once.repeated + once.conflicting != self._good:
            raise RuntimeError(f"{self._good} rows were good, {done} are left after sorting")
        series = spans.described(self._series)
        for begin in range(0, len(series), LOOKED_UP_AT_ONCE):
            some = series[begin : begin + LOOKED_UP_AT_ONCE]
            self._transaction(partial(staging.write_series, import_id=self._record.id, series=some))

    def _staged(self, run: int) -> Iterator[Block]:
        for number in itertools.count():
            payload = self._loop.run(self._read_chunk(run, number))
            if payload is None:
                return
            yield Block.decode(payload)

    async def _read_chunk(self, run: int, number: int) -> bytes | None:
        async with self._run.engine.connect() as connection:
            return await staging.read_chunk(connection, self._record.id, run, number)

    def _write_chunk(self, run: int, number: int, chunk: Block) -> None:
        body = chunk.encode()
        self._transaction(
            partial(staging.write_chunk, import_id=self._record.id, run=run, chunk=number, rows=len(chunk), body=body)
        )

    def _on_conflict(self, line: int, first_line: int, value: float, first_value: float) -> None:
        reason = f"is another value for the series and time of line {first_line:,}, which has {first_value!r}"
        self._complain([RowError(line, "value", repr(value), reason)])

    def _transaction(self, work: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        async def step(connection: AsyncConnection) -> None:
            await self._run.hold(connection)
            await work(connection)

        self._loop.run(in_transaction(self._run.engine, step))


class _Spans:
    """First and last time and the number of rows of each series, from sorted chunks."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._rows: dict[int, int] = {}

    def add(self, chunk: Block) -> None:
        begins = np.flatnonzero(np.append(True, np.diff(chunk.position) != 0))
        ends = np.append(begins[1:], len(chunk))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            position = int(chunk.position[begin])
            self._first.setdefault(position, int(chunk.observed_at[begin]))
            self._last[position] = int(chunk.observed_at[end - 1])
            self._rows[position] = self._rows.get(position, 0) + end - begin

    def described(self, table: SeriesTable) -> list[staging.StagedSeries]:
        described = []
        for position, rows in sorted(self._rows.items()):
            one = table.series[position]
            first, last = instant(self._first[position]), instant(self._last[position])
            described.append(staging.StagedSeries(position, one.source, one.category, one.unit, first, last, rows))
        return described


def bounds_at(now: int, retention: int, rows_from: datetime | None) -> TimeBounds:
    """The times that a row of a file may have.

    Args:
        now: µs since 1970-01-01 UTC.
        retention: µs that records are kept.
        rows_from: since when records are whole (naive UTC); older ones have been dropped.
    """
    bounds = TimeBounds.around(now, retention=retention)
    if rows_from is None:
        return bounds
    return TimeBounds(max(bounds.earliest, microseconds(rows_from)), bounds.latest)
