"""Records of a selection in the order of the list, in short reads however many they are.

A page of a list is found by its key and a limit. That is right for a person who turns pages, but a whole export would
then read the same rows again and again (of every series, or in every sort by value). So the selection is cut into
parts that follow one another in the wanted order and hold some thousands of records each; a part is read whole along
the clustered key and sorted here. Where to cut is known from the rollups; a dense minute is cut by counting.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.exports.by_value import ByValue
from telltale_query.exports.rows import (
    Bucket,
    Judgement,
    Row,
    count_rows,
    newest_instant,
    read_judgements,
    read_rows,
    rows_by_bucket,
    rows_by_series,
    unusual_by_day,
)
from telltale_query.records.schemas import RecordKey, RecordSort
from telltale_query.selection import Range, Selection, series_by_id
from telltale_shared.database import in_transaction
from telltale_shared.instants import MICROSECOND
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier
from telltale_shared.store.series import Series

LAST_READ_SECONDS = 5.0
"""That the read in hand may still take when nobody wants it any more."""

Answer = TypeVar("Answer")
Read = Callable[[AsyncConnection, Selection], Awaitable[Answer]]

_SERIES, _AT = itemgetter(0), itemgetter(1)
_IN_TIME = itemgetter(1, 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records that follow one another, and what else is known of them."""

    rows: list[Row]
    series: Mapping[int, Series]
    """At least those that ``rows`` speak of."""
    judgements: Mapping[RecordKey, Judgement]

    def speaks_of(self) -> list[Series]:
        """The series of these records, each once."""
        return [self.series[series_id] for series_id in set(map(_SERIES, self.rows))]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the selection that follows the one before it."""

    selection: Selection
    tiers: tuple[Tier, ...]
    """By which it may still be cut, widest first."""
    short: bool = False
    """Whether it can be read at once."""
    by_series: bool = False
    """Whether it must be cut into series before it is cut into ranges of time."""

    def within(self, start: datetime, end: datetime, *, short: bool = False) -> "_Part":
        return _Part(replace(self.selection, range=Range(start, end)), self.tiers, short)


class Reader:
    """Reads whole selections.

    Args:
        engine: a connection of it is held for one read only, so that nothing waits for a slow client.
        rows_at_once: how many records a read looks at, about.
    """

    def __init__(self, engine: AsyncEngine, *, rows_at_once: int) -> None:
        self._engine = engine
        self._rows_at_once = rows_at_once

    async def batches(self, selection: Selection, sort: RecordSort) -> AsyncGenerator[Batch, None]:
        """The records of ``selection`` in the order ``sort``, up to the newest one that is there at the beginning.

        Memory is that of one batch; in an order by value some 50 bytes for each record besides.
        """
        if not selection.series:
            return
        selection = await self._as_of_now(selection)
        names: Mapping[int, Series] = {one.id: one for one in selection.series}
        if sort.column == "value":
            async for batch in self._by_value(selection, sort, names):
                yield batch
            return
        rank = {one.id: place for place, one in enumerate(_in_order(selection, sort))}
        async for part in self._parts(selection, sort):
            batch = await self._read(part, names)
            names = batch.series
            if sort.column == "observed_at":
                batch.rows.sort(key=_IN_TIME, reverse=sort.descending)
            else:
                batch.rows.sort(key=_AT, reverse=sort.descending)
                batch.rows.sort(key=lambda row: rank[row[0]])
            if batch.rows:
                yield batch

    async def _as_of_now(self, selection: Selection) -> Selection:
        """Without what is observed later than all that is there now: an export would run after it for ever."""
        newest = await self._ask(newest_instant, selection)
        start, end = selection.range.start, selection.range.end
        if newest is not None and start <= newest < end:
            end = newest + MICROSECOND
        return replace(selection, range=Range(start, end))

    async def _ask(self, read: Read[Answer], selection: Selection) -> Answer:
        """What ``read`` finds of ``selection``; after an error that may pass it is asked again."""
        return await in_transaction(self._engine, lambda connection: read(connection, selection))

    async def _read(self, selection: Selection, names: Mapping[int, Series]) -> Batch:
        async def read(connection: AsyncConnection, selection: Selection) -> Batch:
            rows = await read_rows(connection, selection)
            judgements = await read_judgements(connection, selection) if rows else {}
            # Where no series is left out, some may be born meanwhile.
            newborn = set(map(_SERIES, rows)) - names.keys()
            if not newborn:
                return Batch(rows, names, judgements)
            found = await series_by_id(connection, newborn)
            return Batch(rows, {**names, **{one.id: one for one in found}}, judgements)

        return await self._ask(read, selection)

    async def _by_value(
        self, selection: Selection, sort: RecordSort, names: Mapping[int, Series]
    ) -> AsyncIterator[Batch]:
        judged: dict[RecordKey, Judgement] = {}
        with ByValue() as sorter:
            async for part in self._parts(selection, RecordSort.OLDEST):
                batch = await self._read(part, names)
                names = batch.series
                judged.update(batch.judgements)
                sorter.add(batch.rows)
            for ordered in sorter.batches(descending=sort.descending, size=self._rows_at_once):
                yield Batch(ordered, names, judged)

    async def _parts(self, selection: Selection, sort: RecordSort) -> AsyncIterator[Selection]:
        """The parts of ``selection``, each short enough to be read at once, in the order ``sort`` by time or series."""
        by_series = sort.column in ("source", "category") and len(selection.series) > 1
        tiers = (DAY,) if selection.anomalous else (DAY, HOUR, MINUTE)
        following = [_Part(selection, tiers, by_series=by_series)]
        while following:
            part = following.pop()
            if part.short:
                yield part.selection
            elif part.by_series:
                following.extend(reversed(await self._cut_by_series(part, sort)))
            else:
                ascending = await self._cut_by_time(part)
                following.extend(ascending if sort.descending else reversed(ascending))

    async def _cut_by_series(self, part: _Part, sort: RecordSort) -> list[_Part]:
        counted = await self._ask(rows_by_series, part.selection)
        sized = [(one, counted.get(one.id, 0)) for one in _in_order(part.selection, sort)]
        return [
            _Part(
                replace(part.selection, series=series, everything=False), part.tiers, short=rows <= self._rows_at_once
            )
            for series, rows in _together(sized, self._rows_at_once)
        ]

    async def _cut_by_time(self, part: _Part) -> list[_Part]:
        if not part.tiers:
            return await self._halved(part)
        tier, *finer = part.tiers
        if part.selection.anomalous:
            buckets = await self._ask(unusual_by_day, part.selection)
        else:
            buckets = await self._ask(partial(rows_by_bucket, tier=tier), part.selection)
        return _joined(replace(part, tiers=tuple(finer)), buckets, self._rows_at_once)

    async def _halved(self, part: _Part) -> list[_Part]:
        """Two halves of a dense minute, or the whole of it once it is counted and short enough."""
        start, end = part.selection.range.start, part.selection.range.end
        rows = await self._ask(count_rows, part.selection)
        if rows <= self._rows_at_once or end - start <= MICROSECOND:
            return [part.within(start, end, short=True)]
        middle = start + (end - start) // 2
        return [part.within(start, middle), part.within(middle, end)]


def _together(sized: Iterable[tuple[Series, int]], rows_at_once: int) -> Iterator[tuple[tuple[Series, ...], int]]:
    """Neighbours that together have few records, and how many those are; one that has many stays alone."""
    group: list[Series] = []
    total = 0
    for one, rows in sized:
        if group and total + rows > rows_at_once:
            yield tuple(group), total
            group, total = [], 0
        group.append(one)
        total += rows
    yield tuple(group), total


def _joined(part: _Part, buckets: Sequence[Bucket], rows_at_once: int) -> list[_Part]:
    """``part`` cut before some of ``buckets``, so that what lies between two cuts is short or one bucket.

    Together they cover all of it. Only what no value can be in is left out.
    """
    start, end = part.selection.range.start, part.selection.range.end
    groups: list[tuple[datetime, int, int]] = []
    for bucket in buckets:
        if groups and groups[-1][1] + bucket.rows <= rows_at_once:
            begins, rows, possible = groups.pop()
            groups.append((begins, rows + bucket.rows, possible + bucket.possible))
        else:
            groups.append((bucket.start if groups else start, bucket.rows, bucket.possible))
    ends = [begins for begins, _, _ in groups[1:]] + [end]
    return [
        part.within(begins, ends_at, short=rows <= rows_at_once)
        for (begins, rows, possible), ends_at in zip(groups, ends, strict=False)
        if possible
    ]


def _in_order(selection: Selection, sort: RecordSort) -> list[Series]:
    def names(one: Series) -> tuple[str, str]:
        return (one.source, one.category) if sort.column == "source" else (one.category, one.source)

    return sorted(selection.series, key=names, reverse=sort.descending)


async def read_ahead(batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
    """Each of ``batches``, while the next one is being read."""

    async def following() -> Batch | None:
        return await anext(batches, None)

    reading = asyncio.create_task(following())
    try:
        while (batch := await reading) is not None:
            reading = asyncio.create_task(following())
            yield batch
    finally:
        # It is short, and a connection that is cancelled in the middle of a read is lost.
        await asyncio.wait([reading], timeout=LAST_READ_SECONDS)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await batches.aclose()
