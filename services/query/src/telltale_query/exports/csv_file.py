"""Records as CSV: exact data, made to be read by programs and imported again.

RFC 4180 in UTF-8. Times are UTC with microseconds, values the shortest text that gives the same double. A text that a
spreadsheet could take for a formula gets an apostrophe in front, which an import takes away again.
"""

from typing import BinaryIO

from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch
from telltale_query.spreadsheet_text import guard

COLUMNS = ("source", "category", "observed_at", "value", "unit", "note")

HEADER = (",".join(COLUMNS) + "\r\n").encode()

_QUOTED = frozenset(',"\r\n')


def _field(text: str | None) -> str:
    if text is None:
        return ""
    cell = guard(text)
    return cell if _QUOTED.isdisjoint(cell) else '"' + cell.replace('"', '""') + '"'


def encode_rows(batch: Batch) -> bytes:
    """One line per record. No unit and no note is an empty field."""
    of_series = {
        one.id: (f"{_field(one.source)},{_field(one.category)},", f",{_field(one.unit)},") for one in batch.speaks_of()
    }
    lines = []
    for series_id, at, value, note in batch.rows:
        names, unit = of_series[series_id]
        lines.append(f"{names}{at.isoformat('T', 'microseconds')}Z,{value!r}{unit}{_field(note)}\r\n")
    return "".join(lines).encode()


class CsvFile:
    """A CSV file in the making. What it is stands beside it, not in it: it holds nothing but records."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        output.write(HEADER)

    def write(self, batch: Batch, lines: bytes) -> None:
        """Append ``lines``."""
        self._output.write(lines)

    def finish(self, manifest: Manifest) -> None:
        """Nothing is left to be written."""
