"""What is decided about analytics: what a question may cost, and how finely a range is shown."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import Aggregate, aggregate_by_bucket, aggregate_by_series, together
from telltale_query.analytics.repository import Percentiles, count_anomalies, percentiles
from telltale_query.analytics.schemas import (
    BucketWidth,
    Categories,
    CategoryFigures,
    Figures,
    Moment,
    Point,
    SeriesPoints,
    Summary,
    SummaryQuery,
    Timeseries,
    TimeseriesQuery,
    UnitFigures,
)
from telltale_query.filters import ReadingQuery
from telltale_query.instants import FAR_FUTURE, outside
from telltale_query.records.repository import read_page
from telltale_query.records.schemas import RecordSort
from telltale_query.selection import Range, Selection, select_readings
from telltale_shared.errors import FieldError, InvalidRequest
from telltale_shared.instants import EPOCH
from telltale_shared.store.series import Series

EXACT_PERCENTILES = 200_000
"""Readings from which percentiles are taken at most."""
READ_SINGLY = 5_000_000
"""Readings that a filter by value or anomaly may have to look at."""
RAW_BUCKETS = 200_000
"""Readings that are grouped into buckets of less than a minute at most, when the width is ours to choose."""
AUTO_BUCKETS = 1_000
CHOSEN_BUCKETS = 1_500
"""A day of minutes, and some."""
SERIES_SHOWN = 50

MINUTE, HOUR, DAY = 60, 3_600, 86_400
_CHOSEN = {BucketWidth.SECOND: 1, BucketWidth.MINUTE: MINUTE, BucketWidth.HOUR: HOUR, BucketWidth.DAY: DAY}
# Each divides a minute, an hour or a day, so that rollups fit into its buckets; the last is wide enough for all time.
_WIDTHS = (
    *(1, 2, 5, 10, 15, 30),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 5, 10, 30, 100, 300, 1_000, 3_000)),
)
_QUANTILES = (0.5, 0.95)


async def summarize(connection: AsyncConnection, query: SummaryQuery) -> Summary:
    """The whole selection in a few numbers.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    selection = await select_readings(connection, query)
    by_series = await _aggregates(connection, selection)
    figures = await _figures(connection, selection, by_series)
    ends = [
        await read_page(connection, selection, sort, after=None, limit=1) if figures.count else []
        for sort in (RecordSort.OLDEST, RecordSort.NEWEST)
    ]
    first, last = (
        Moment(one.source, one.category, one.observed_at, one.value) if (one := next(iter(found), None)) else None
        for found in ends
    )
    before = _period_before(selection) if query.compare else None
    previous = None
    if before is not None:
        previous = await _figures(connection, before, await _aggregates(connection, before))
    return Summary(
        **asdict(figures), first=first, last=last, by_unit=_by_unit(by_series, selection.series), previous=previous
    )


async def by_category(connection: AsyncConnection, query: ReadingQuery) -> Categories:
    """The numbers of each category.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    selection = await select_readings(connection, query)
    by_series = await _aggregates(connection, selection)
    anomalies = await count_anomalies(connection, selection)
    exact = _is_few(by_series)
    ranked = await percentiles(connection, selection, _QUANTILES, by_category=True) if exact else {}
    items = []
    for category, members in groupby(
        sorted((one for one in selection.series if one.id in by_series), key=lambda one: one.category),
        key=lambda one: one.category,
    ):
        chosen = list(members)
        units = {one.unit for one in chosen}
        figures = _numbers(
            together(by_series[one.id] for one in chosen), ranked.get(category), anomalies.get(category, 0), exact
        )
        unit = units.pop() if len(units) == 1 else None
        items.append(CategoryFigures(**asdict(figures), category=category, unit=unit))
    return Categories(items)


async def over_time(connection: AsyncConnection, query: TimeseriesQuery) -> Timeseries:
    """Each series in buckets of time.

    Raises:
        InvalidRequest: a bad range, too many buckets, or too many readings to look at one by one.
    """
    selection = await select_readings(connection, query)
    by_series = await _aggregates(connection, selection)
    present = tuple(one for one in selection.series if one.id in by_series)
    shown = replace(selection, series=present[:SERIES_SHOWN], everything=False)
    count = sum(by_series[one.id].count for one in shown.series)
    span = await _span(connection, shown)
    width = _fitting_width(span, count) if query.bucket is BucketWidth.AUTO else _CHOSEN[query.bucket]
    _refuse_too_many_buckets(span, width, count)
    points: dict[int, list[Point]] = {one.id: [] for one in shown.series}
    for bucket in await aggregate_by_bucket(connection, shown, width=width):
        mean = bucket.total / bucket.count
        points[bucket.series_id].append(
            Point(outside(bucket.start), bucket.count, mean, bucket.minimum, bucket.maximum)
        )
    return Timeseries(
        bucket=_label(width),
        bucket_seconds=width,
        series=[SeriesPoints(one.source, one.category, one.unit, points[one.id]) for one in shown.series],
        series_total=len(present),
    )


async def _aggregates(connection: AsyncConnection, selection: Selection) -> dict[int, Aggregate]:
    if not selection.whole_buckets_count and not selection.anomalous:
        unfiltered = Selection(selection.series, selection.everything, selection.range)
        count = sum(one.count for one in (await aggregate_by_series(connection, unfiltered)).values())
        if count > READ_SINGLY:
            message = (
                f"must be shorter with this filter: it looks at single readings, at most {READ_SINGLY:,}, "
                f"and this range holds {count:,}"
            )
            raise InvalidRequest(f"the range {message}", errors=[FieldError(field="from", message=message)])
    return await aggregate_by_series(connection, selection)


def _is_few(by_series: Mapping[int, Aggregate]) -> bool:
    return sum(one.count for one in by_series.values()) <= EXACT_PERCENTILES


async def _figures(connection: AsyncConnection, selection: Selection, by_series: Mapping[int, Aggregate]) -> Figures:
    exact = _is_few(by_series)
    ranked = await percentiles(connection, selection, _QUANTILES) if exact and by_series else {}
    anomalies = sum((await count_anomalies(connection, selection)).values())
    return _numbers(together(by_series.values()), ranked.get(""), anomalies, exact)


def _numbers(whole: Aggregate, ranked: Percentiles | None, anomalies: int, exact: bool) -> Figures:
    some = whole.count > 0
    p50, p95 = ranked.values if ranked is not None else (None, None)
    return Figures(
        count=whole.count,
        mean=whole.mean if some else None,
        min=whole.minimum if some else None,
        max=whole.maximum if some else None,
        stddev=whole.stddev if some else None,
        p50=p50,
        p95=p95,
        percentiles_exact=exact,
        anomalies=anomalies,
    )


def _by_unit(by_series: Mapping[int, Aggregate], chosen: tuple[Series, ...]) -> list[UnitFigures]:
    units = sorted({one.unit for one in chosen if one.id in by_series}, key=lambda unit: unit or "")
    wholes = {
        unit: together(by_series[one.id] for one in chosen if one.unit == unit and one.id in by_series)
        for unit in units
    }
    return [
        UnitFigures(unit, whole.count, whole.mean, whole.minimum, whole.maximum, whole.stddev)
        for unit, whole in wholes.items()
    ]


def _period_before(selection: Selection) -> Selection | None:
    wanted = selection.range
    if wanted.start == EPOCH or wanted.end == FAR_FUTURE:
        return None
    start = max(EPOCH, wanted.start - (wanted.end - wanted.start))
    return replace(selection, range=Range(start, wanted.start))


async def _span(connection: AsyncConnection, shown: Selection) -> timedelta:
    """How long the range is; where it is open, from the first or to the last reading."""
    wanted = shown.range
    if not shown.series:
        return timedelta(0)
    start, end = wanted.start, wanted.end
    if start == EPOCH:
        oldest = await read_page(connection, shown, RecordSort.OLDEST, after=None, limit=1)
        start = oldest[0].observed_at.replace(tzinfo=None) if oldest else start
    if end == FAR_FUTURE:
        newest = await read_page(connection, shown, RecordSort.NEWEST, after=None, limit=1)
        end = newest[0].observed_at.replace(tzinfo=None) if newest else start
    return end - start


def _fitting_width(span: timedelta, count: int) -> int:
    for width in _WIDTHS:
        if span <= timedelta(seconds=width * AUTO_BUCKETS) and (width >= MINUTE or count <= RAW_BUCKETS):
            return width
    return _WIDTHS[-1]


def _refuse_too_many_buckets(span: timedelta, width: int, count: int) -> None:
    buckets = span // timedelta(seconds=width)
    message = ""
    if buckets > CHOSEN_BUCKETS:
        message = (
            f"gives {buckets:,} points a series and at most {CHOSEN_BUCKETS:,} are given: choose auto, or a coarser one"
        )
    elif width < MINUTE and count > READ_SINGLY:
        message = f"looks at single readings, at most {READ_SINGLY:,}, and this range holds {count:,}: choose minute"
    if message:
        raise InvalidRequest(f"bucket {message}", errors=[FieldError(field="bucket", message=message)])


def _label(width: int) -> str:
    for seconds, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if width % seconds == 0:
            return f"{width // seconds}{letter}"
    return f"{width}s"
