"""The kinds of file, and what they have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from telltale_query.exports.csv_file import CsvFile
from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch
from telltale_query.exports.schemas import ExportFormat, ExportQuery
from telltale_query.exports.scratch import scratch_folder
from telltale_query.exports.xlsx_file import XlsxFile


class RecordFile(Protocol):
    """A file in the making. Its methods block and may run in any one thread at a time."""

    def write(self, batch: Batch, lines: bytes) -> None:
        """Append the records of ``batch``, which are ``lines`` in a CSV file."""

    def finish(self, manifest: Manifest) -> None:
        """Complete the file."""


@contextmanager
def record_file(output: BinaryIO, query: ExportQuery, *, sheet_rows: int) -> Iterator[RecordFile]:
    """A file of the kind that ``query`` asks for.

    Args:
        output: where it goes.
        query: what was asked for.
        sheet_rows: rows of an Excel sheet at most.
    """
    if query.format is ExportFormat.CSV:
        yield CsvFile(output)
    elif query.format is ExportFormat.XLSX:
        with (
            scratch_folder() as scratch,
            XlsxFile(output, scratch, zone=query.time_zone, sheet_rows=sheet_rows) as workbook,
        ):
            yield workbook
    else:
        # Here, since pyarrow takes 50 MB of memory that a process should not need before somebody wants such a file.
        from telltale_query.exports.parquet_file import ParquetFile

        with ParquetFile(output) as table:
            yield table
