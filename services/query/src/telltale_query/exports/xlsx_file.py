"""Records as an Excel workbook, written row by row in constant memory.

Text is always stored as text, never as a formula or a link. Excel keeps times to the millisecond.
"""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import BinaryIO

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from telltale_query.records.schemas import Record

SHEET_ROWS = 1_048_576
"""Rows of an Excel sheet at most, the header among them."""
CELL_CHARACTERS = 32_767
"""Characters of a cell at most."""
COLUMNS = {
    "source": 20,
    "category": 20,
    "observed_at (UTC)": 24,
    "value": 14,
    "unit": 8,
    "note": 40,
    "anomaly_score": 14,
    "anomaly_verdict": 16,
}
"""Their names and widths."""


class _Exact(float):
    """A number that XlsxWriter writes with all its digits; it would round to 16, and a double may need 17."""

    def __format__(self, _: str) -> str:
        return float.__repr__(self)


class XlsxFile:
    """A workbook in the making: ``write`` as often as needed, then ``finish``.

    Leaving the block without ``finish`` lets go of what was written. Methods block and may run in any one thread at a
    time.

    Args:
        output: where the finished workbook goes.
        scratch: a directory for the sheets in the making.
        sheet_rows: rows of a sheet at most; more records begin another sheet.
    """

    def __init__(self, output: BinaryIO, scratch: str, *, sheet_rows: int = SHEET_ROWS) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": scratch,
            "strings_to_formulas": False,
            "strings_to_urls": False,
        }
        self._book = Workbook(output, options)
        self._book.use_zip64()  # nothing else can hold a sheet of more than 4 GB
        self._sheet_rows = sheet_rows
        # As text also once somebody edits the cell, when Excel would read it anew.
        self._text = self._book.add_format({"num_format": "@"})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._bold = self._book.add_format({"bold": True})
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
        for column, (name, width) in enumerate(COLUMNS.items()):
            self._sheet.set_column(column, column, width)
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 1

    def write(self, records: Iterable[Record]) -> None:
        """Append ``records``."""
        for one in records:
            if self._row == self._sheet_rows:
                self._begin_sheet()
            sheet, row = self._sheet, self._row
            sheet.write_string(row, 0, one.source, self._text)
            sheet.write_string(row, 1, one.category, self._text)
            sheet.write_datetime(row, 2, one.observed_at.replace(tzinfo=None), self._instant)
            sheet.write_number(row, 3, _Exact(one.value))
            if one.unit is not None:
                sheet.write_string(row, 4, one.unit, self._text)
            if one.note:
                sheet.write_string(row, 5, one.note, self._text)
            if one.anomaly is not None:
                sheet.write_number(row, 6, _Exact(one.anomaly.score))
                if one.anomaly.verdict is not None:
                    sheet.write_string(row, 7, one.anomaly.verdict, self._text)
            self._row += 1

    def finish(self, manifest: Sequence[tuple[str, str | int]]) -> None:
        """Add the sheet that says what this is, and complete the workbook."""
        sheet = self._book.add_worksheet("Manifest")
        sheet.set_column(0, 0, 18)
        sheet.set_column(1, 1, 90)
        for row, (name, value) in enumerate(manifest):
            sheet.write_string(row, 0, name, self._bold)
            if isinstance(value, int):
                sheet.write_number(row, 1, value)
            else:
                sheet.write_string(row, 1, value[:CELL_CHARACTERS], self._text)
        self._book.close()
        self._finished = True
