"""Reading the ledger: what producers say they published against what the writer has settled."""

from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import FAR_FUTURE, outside
from telltale_query.ledger.schemas import Day, Days, Ledger, LedgerFigures, MissingRun, ProducerLedger
from telltale_query.paging import RowId, Total, Window
from telltale_query.selection import Range
from telltale_shared.instants import EPOCH
from telltale_shared.store.ledger_figures import COLUMNS, figures_of, read_totals
from telltale_shared.store.ledger_upkeep import EARLIER
from telltale_shared.store.schema import deliveries, producer_days, producers

PRODUCERS_SHOWN = 1_000
DAYS_SHOWN = 1_000
COUNTED_SINGLY = 10_000

_SUMS = [func.coalesce(func.sum(producer_days.c[name]), 0).label(name) for name in COLUMNS]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in the list of missing numbers a page begins or ends: what the cursor holds."""

    producer: RowId
    follower: RowId
    """First number of the settled run that follows the missing ones."""


def first_day(wanted: Range) -> date | None:
    """The first UTC day that has a part in ``wanted``; None where it has no beginning."""
    return wanted.start.date() if wanted.start > EPOCH else None


def last_day(wanted: Range) -> date | None:
    """The last UTC day that has a part in ``wanted``; None where it has no end."""
    return (wanted.end - timedelta(microseconds=1)).date() if wanted.end < FAR_FUTURE else None


def _within(wanted: Range) -> list[ColumnElement[bool]]:
    first, last = first_day(wanted), last_day(wanted)
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(producer_days.c.day >= first)
    if last is not None:
        conditions.append(producer_days.c.day <= last)
    return conditions


async def read_ledger(connection: AsyncConnection, wanted: Range) -> Ledger:
    """The ledger over the UTC days that have a part in ``wanted``; the newest of those who still publish first."""
    days = _within(wanted)
    if not days:
        statement, totals = select(producers), await read_totals(connection)
    else:
        statement = _of_days(days)
        totals = LedgerFigures.of((await connection.execute(select(*_SUMS).where(*days))).one())
    # An order that stays as it is while producers report.
    newest = statement.order_by(producers.c.closed, producers.c.id.desc()).limit(PRODUCERS_SHOWN)
    found = [
        ProducerLedger(
            **figures_of(row),
            producer=row.producer,
            service=row.service,
            closed=bool(row.closed),
            last_seen_at=outside(row.seen_at),
        )
        for row in await connection.execute(newest)
    ]
    return Ledger(first_day(wanted), last_day(wanted), found, totals)


def _of_days(days: list[ColumnElement[bool]]) -> Select[Any]:
    sums = select(producer_days.c.producer_id, *_SUMS).where(*days).group_by(producer_days.c.producer_id).subquery()
    told = (producers.c.producer, producers.c.service, producers.c.closed, producers.c.seen_at)
    return select(*told, *(sums.c[name] for name in COLUMNS)).join(sums, sums.c.producer_id == producers.c.id)


async def read_days(connection: AsyncConnection, wanted: Range, producer: str | None) -> Days:
    """The ledger by UTC day, of one producer or of all together, newest first."""
    statement = select(producer_days.c.day, *_SUMS).where(*_within(wanted)).group_by(producer_days.c.day)
    if producer is not None:
        of = select(producers.c.id).where(producers.c.producer == producer).scalar_subquery()
        statement = statement.where(producer_days.c.producer_id == of)
    rows = await connection.execute(statement.order_by(producer_days.c.day.desc()).limit(DAYS_SHOWN))
    return Days([Day(**figures_of(row), day=None if row.day == EARLIER else row.day) for row in rows])


async def list_missing(
    connection: AsyncConnection, producer: str | None, window: Window[Place]
) -> tuple[list[tuple[Place, MissingRun]], Total]:
    """The missing numbers of ``window`` as runs, by producer and number, and how many runs there are.

    What is missing lies right before a settled run: of each of these only its predecessor is looked up.
    """
    before = deliveries.alias("before")
    previous = (
        select(before.c.last)
        .where(before.c.producer_id == deliveries.c.producer_id, before.c.first < deliveries.c.first)
        .order_by(before.c.first.desc())
        .limit(1)
        .scalar_subquery()
    )
    end = func.coalesce(previous, producers.c.watermark)
    conditions = [producers.c.missing > 0, end < producers.c.proven]
    if producer is not None:
        conditions.append(producers.c.producer == producer)
    source = deliveries.join(producers, and_(producers.c.id == deliveries.c.producer_id))
    page = select(
        deliveries.c.producer_id,
        deliveries.c.first.label("follower"),
        producers.c.producer,
        (end + 1).label("first"),
        func.least(deliveries.c.first - 1, producers.c.proven).label("last"),
    )
    page = page.select_from(source).where(*conditions)
    order = (deliveries.c.producer_id, deliveries.c.first)
    page = window.narrow(page, order, lambda place: (place.producer, place.follower), descending=False)
    some = select(deliveries.c.first).select_from(source).where(*conditions).limit(COUNTED_SINGLY + 1).subquery()
    counted = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    items = [
        (
            Place(row.producer_id, row.follower),
            MissingRun(row.producer, row.first, row.last, row.last - row.first + 1),
        )
        for row in await connection.execute(page)
    ]
    return items, Total(min(counted, COUNTED_SINGLY), exact=counted <= COUNTED_SINGLY)
