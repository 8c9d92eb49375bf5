"""Spans of time of single series, and how to read what lies in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.parts import COLUMNS, Rows
from telltale_query.selection import Conditions, Selection
from telltale_query.unprepared import execute_unprepared
from telltale_shared.store.schema import records


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time of one series, and how many records lie in it at most."""

    series_id: int
    start: datetime
    end: datetime
    count: int


def within(spans: Iterable[Span], table: Table, column: str) -> ColumnElement[bool]:
    """That a row of ``table`` lies in one of ``spans``, said so that each is read by its part of the clustered key.

    A join with a table of the spans would read every series whole: the database joins on ``series_id`` alone.
    """
    by_stretch: dict[tuple[datetime, datetime], list[int]] = {}
    for series_id, start, end in _merged(spans):
        by_stretch.setdefault((start, end), []).append(series_id)
    parts = [
        f"({table.name}.series_id IN ({', '.join(map(str, ids))})"
        f" AND {table.name}.{column} >= '{start}' AND {table.name}.{column} < '{end}')"
        for (start, end), ids in by_stretch.items()
    ]
    # As a Boolean it would be compared with 1, and no index be used.
    return literal_column(f"({' OR '.join(parts)})")


Narrowing = Callable[[Select[Any]], Select[Any]]
"""What makes of a statement over all rows of a table one over some of them."""


def among(spans: Iterable[Span], table: Table, column: str) -> Narrowing:
    """Only the rows in ``spans``, each read by its part of the clustered key, whatever the statistics say."""
    condition = within(spans, table, column)
    return lambda statement: statement.with_hint(table, "FORCE INDEX (PRIMARY)").where(condition)


def _merged(spans: Iterable[Span]) -> Iterable[tuple[int, datetime, datetime]]:
    """The spans by series, those that touch as one."""
    ordered = sorted(spans, key=lambda span: (span.series_id, span.start))
    for series_id, own in groupby(ordered, key=lambda span: span.series_id):
        first, *others = own
        start, end = first.start, first.end
        for span in others:
            if span.start > end:
                yield series_id, start, end
                start = span.start
            end = max(end, span.end)
        yield series_id, start, end


async def read_spans(
    connection: AsyncConnection,
    selection: Selection,
    spans: Sequence[Span],
    *,
    beyond: Conditions,
    order: Sequence[ColumnElement[object]],
    limit: int,
) -> Rows:
    """At most ``limit`` records of ``selection`` in ``spans`` that are ``beyond`` a place, by ``order``."""
    statement = among(spans, records, "observed_at")(select(*COLUMNS))
    statement = statement.where(*selection.of_values(), *beyond).order_by(*order).limit(limit)
    return (await execute_unprepared(connection, statement)).all()
