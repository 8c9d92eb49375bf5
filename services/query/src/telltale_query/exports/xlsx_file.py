"""Records as an Excel workbook, written row by row in constant memory.

Text is always stored as text, never as a formula or a link. Excel keeps times to the millisecond.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from types import TracebackType
from typing import BinaryIO
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch
from telltale_query.exports.rows import Row

SHEET_ROWS = 1_048_576
"""Rows of an Excel sheet at most, the header among them."""
CELL_CHARACTERS = 32_767
"""Characters of a cell at most."""

_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel's times have no zone
_HALF_MILLISECOND, _MILLISECOND = timedelta(microseconds=500), timedelta(milliseconds=1)
_MILLISECONDS_A_DAY = 86_400_000


class _Exact(float):
    """A number that XlsxWriter writes with all its digits; it would round to 16, and a double may need 17."""

    def __format__(self, _: str) -> str:
        return float.__repr__(self)


def serial(at: datetime) -> float:
    """The naive ``at`` as Excel counts: days since 1899-12-30, rounded to milliseconds."""
    return ((at - _DAY_ZERO + _HALF_MILLISECOND) // _MILLISECOND) / _MILLISECONDS_A_DAY


def columns(zone: str) -> Mapping[str, int]:
    """The columns of a sheet and their widths; times are those of the IANA ``zone``."""
    return {
        "source": 20,
        "category": 20,
        f"observed_at ({zone})": 24,
        "value": 14,
        "unit": 8,
        "note": 40,
        "anomaly_score": 14,
        "anomaly_verdict": 16,
    }


class XlsxFile:
    """A workbook in the making: ``write`` as often as needed, then ``finish``.

    Leaving the block without ``finish`` lets go of what was written. Methods block and may run in any one thread at a
    time.

    Args:
        output: where the finished workbook goes.
        scratch: a directory for the sheets in the making.
        zone: the IANA time zone of the times.
        sheet_rows: rows of a sheet at most; more records begin another sheet.
    """

    def __init__(self, output: BinaryIO, scratch: str, *, zone: str = "UTC", sheet_rows: int = SHEET_ROWS) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": scratch,
            "strings_to_formulas": False,
            "strings_to_urls": False,
        }
        self._book = Workbook(output, options)
        self._book.use_zip64()  # nothing else can hold a sheet of more than 4 GB
        self._zone_name = zone
        self._columns = columns(zone)
        self._zone: tzinfo | None = None if zone == "UTC" else ZoneInfo(zone)
        self._sheet_rows = sheet_rows
        # As text also once somebody edits the cell, when Excel would read it anew.
        self._text: Format = self._book.add_format({"num_format": "@"})
        self._instant: Format = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._bold: Format = self._book.add_format({"bold": True})
        self._finished = False
        self.sheets = 0
        """Of records, so far."""
        self._begin_sheet()

    def __enter__(self) -> "XlsxFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            for sheet in self._book.worksheets():
                sheet.row_data_fh.close()

    def _begin_sheet(self) -> None:
        self.sheets += 1
        self._sheet: Worksheet = self._book.add_worksheet("Records" if self.sheets == 1 else f"Records {self.sheets}")
        self._sheet.freeze_panes(1, 0)
        for column, (name, width) in enumerate(self._columns.items()):
            self._sheet.set_column(column, column, width)
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 1

    def _end_sheet(self) -> None:
        self._sheet.autofilter(0, 0, self._row - 1, len(self._columns) - 1)

    def write(self, batch: Batch, lines: bytes) -> None:
        """Append the records of ``batch``."""
        rows = batch.rows
        begin = 0
        while begin < len(rows):
            if self._row == self._sheet_rows:
                self._end_sheet()
                self._begin_sheet()
            some = rows[begin : begin + self._sheet_rows - self._row]
            self._write_rows(batch, some)
            begin += len(some)

    def _write_rows(self, batch: Batch, rows: Sequence[Row]) -> None:
        names = {one.id: (one.source, one.category, one.unit) for one in batch.speaks_of()}
        zone, judgements, instant = self._zone, batch.judgements, self._instant
        # XlsxWriter spends nine tenths of the time of an export; these are the cheapest of its calls.
        write_number, write_text = self._sheet.write_number, self._write_text
        for row, (series_id, at, value, note) in enumerate(rows, self._row):
            source, category, unit = names[series_id]
            write_text(row, 0, source)
            write_text(row, 1, category)
            shown = at if zone is None else at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
            write_number(row, 2, serial(shown), instant)
            write_number(row, 3, _Exact(value))
            if unit is not None:
                write_text(row, 4, unit)
            if note:
                write_text(row, 5, note)
            judgement = judgements.get((series_id, at))
            if judgement is not None:
                score, verdict = judgement
                write_number(row, 6, _Exact(score))
                if verdict is not None:
                    write_text(row, 7, verdict)
        self._row += len(rows)

    def _write_text(self, row: int, column: int, text: str) -> None:
        if text.startswith("<r>"):
            # XlsxWriter passes on what looks like its own rich text as it is: it must make it of this text itself.
            self._sheet.write_rich_string(row, column, text[0], text[1], text[2:], self._text)
        else:
            self._sheet.write_string(row, column, text, self._text)

    def finish(self, manifest: Manifest) -> None:
        """Add the sheet that says what this is, and complete the workbook."""
        self._end_sheet()
        records = self.sheets
        self._sheet = self._book.add_worksheet("Manifest")
        self._sheet.set_column(0, 0, 18)
        self._sheet.set_column(1, 1, 90)
        entries = [
            *manifest.entries(),
            ("Sheets of records", records),
            ("Time zone", f"{self._zone_name}; to the millisecond, which is what Excel keeps: CSV has microseconds"),
        ]
        for row, (name, value) in enumerate(entries):
            self._sheet.write_string(row, 0, name, self._bold)
            if isinstance(value, int):
                self._sheet.write_number(row, 1, value)
            else:
                self._write_text(row, 1, value[:CELL_CHARACTERS])
        self._book.set_properties(
            {"title": "Telltale records", "author": manifest.made_by, "created": manifest.made_at}
        )
        self._book.close()
        self._finished = True
