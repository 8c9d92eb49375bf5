"""A look at the beginning of a file, before it is sent whole. Pure."""

from zoneinfo import ZoneInfo

import numpy as np

from telltale_query.imports.header import (
    COLUMNS,
    KNOWN_NAMES,
    REQUIRED,
    find_delimiter,
    lay_out,
    read_cells,
    suggest_mapping,
)
from telltale_query.imports.parsing import Parser
from telltale_query.imports.rows import Rows, read_rows
from telltale_query.imports.schemas import Mistake, Preview
from telltale_query.imports.series import SeriesTable
from telltale_query.imports.text import FileRefused, first_line, lines, printable
from telltale_query.imports.times import TimeParser
from telltale_shared.validation import TimeBounds

ROWS_SHOWN = 10
ROWS_CHECKED = 200
PROBLEMS_SHOWN = 10
CELL_SHOWN = 200
"""Characters."""


def preview(head: bytes, delimiter: str | None, bounds: TimeBounds) -> Preview:
    """What the beginning of a file says.

    Args:
        head: its first bytes; the last line in them may be cut off.
        delimiter: what separates the columns; None finds out.
        bounds: the times that a row may have.
    """
    header: list[str] = []
    rows = Rows([], np.zeros(0, np.int64), None)
    problems: list[Mistake] = []
    chosen = delimiter or ","
    try:
        rest = lines([_whole_lines(head)])
        line, first = first_line(rest)
        chosen = delimiter or find_delimiter(first, KNOWN_NAMES)
        header = [printable(cell.strip()) for cell in read_cells(first, chosen)]
        rows = next(read_rows(rest, chosen, at_once=ROWS_CHECKED, first_line=line + 1), rows)
        problems = _problems(header, rows, bounds)
    except FileRefused as refused:
        problems = [Mistake(refused.line, refused.column, refused.value, refused.reason)]
    mapping = suggest_mapping(header) if header else dict.fromkeys(COLUMNS)
    shown = [[printable(cell)[:CELL_SHOWN] for cell in cells] for cells in rows.cells if cells][:ROWS_SHOWN]
    return Preview("tab" if chosen == "\t" else chosen, header, mapping, shown, problems)


def _whole_lines(head: bytes) -> bytes:
    """``head`` without the line that it may end in the middle of; UTF-16 is cut at a whole character."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) // 2 * 2]
    cut = head.rfind(b"\n") + 1
    return head[:cut] or head


def _problems(header: list[str], rows: Rows, bounds: TimeBounds) -> list[Mistake]:
    """What would be wrong with the first rows; times without an offset are not, since a zone may still be chosen."""
    mapping = {column: name for column, name in suggest_mapping(header).items() if name}
    missing = [column for column in REQUIRED if column not in mapping]
    if missing:
        # The person who looks at this is asked for them.
        return []
    parser = Parser(lay_out(header, mapping, {}), SeriesTable(lambda _: {}), TimeParser(bounds, ZoneInfo("UTC")))
    return [Mistake(one.line, one.column, one.value, one.reason) for one in parser.parse(rows).errors[:PROBLEMS_SHOWN]]
