"""Records as CSV: exact data, made to be read by programs and imported again.

RFC 4180 in UTF-8. Times are UTC with microseconds, values the shortest text that gives the same double. Text stands as
it was stored, also where a spreadsheet would take it for a formula: a quote in front of it would be another text after
an import. Who wants to open the records in a spreadsheet takes the Excel file, in which text is text.
"""

import csv
import io
from collections.abc import Iterable

from telltale_query.records.schemas import Record

COLUMNS = ("source", "category", "observed_at", "value", "unit", "note")

HEADER = (",".join(COLUMNS) + "\r\n").encode()


def encode_rows(records: Iterable[Record]) -> bytes:
    """One line per record. No unit or note is an empty field, and so is a note without text."""
    text = io.StringIO(newline="")
    # Only this line end has both of its characters quoted inside a field by every Python.
    writer = csv.writer(text, lineterminator="\r\n")
    for one in records:
        at = one.observed_at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
        writer.writerow((one.source, one.category, at, repr(one.value), one.unit, one.note))
    return text.getvalue().encode()
