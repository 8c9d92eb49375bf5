"""``GET /analytics/…``: what readings say as a whole, exact for any range."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from telltale_query.analytics import distribution, grouping, summary, timeseries, top
from telltale_query.analytics.queries import DistributionQuery, GroupsQuery, SummaryQuery, TimeseriesQuery, TopQuery
from telltale_query.analytics.schemas import Categories, Distribution, Sources, Summary, Timeseries, Top
from telltale_query.connections import Engine, on_snapshot
from telltale_query.replies import reply
from telltale_shared.security import Viewer

router = APIRouter(prefix="/analytics", tags=["analytics"])


@router.get("/summary", summary="A range in a few numbers", response_model=Summary)
async def get_summary(_: Viewer, engine: Engine, query: Annotated[SummaryQuery, Query()]) -> Response:
    """Exact for any range: whole minutes, hours and days come from rollups, its ragged edges from the readings.

    Percentiles are exact up to 50,000 readings and within 1 % of the true value above. Where single readings are no
    longer kept, the range is rounded outwards to whole minutes, and `notes` says so.
    """
    return reply(await on_snapshot(engine, lambda connection: summary.summarize(connection, query)))


@router.get("/categories", summary="The same numbers per category", response_model=Categories)
async def get_categories(_: Viewer, engine: Engine, query: Annotated[GroupsQuery, Query()]) -> Response:
    """Categories side by side; those without readings in the range are left out."""
    return reply(await on_snapshot(engine, lambda connection: grouping.by_category(connection, query)))


@router.get("/sources", summary="The same numbers per source", response_model=Sources)
async def get_sources(_: Viewer, engine: Engine, query: Annotated[GroupsQuery, Query()]) -> Response:
    """Sources side by side; those without readings in the range are left out."""
    return reply(await on_snapshot(engine, lambda connection: grouping.by_source(connection, query)))


@router.get("/timeseries", summary="Series over time", response_model=Timeseries)
async def get_timeseries(_: Viewer, engine: Engine, query: Annotated[TimeseriesQuery, Query()]) -> Response:
    """Count, mean and extremes per bucket, exact also in the first and last one, which the range may cut.

    Hours, days, weeks (from Monday on) and months are those of `time_zone`. A line is a series, or a category over all
    its series; `series_total` says how many there are.
    """
    return reply(await on_snapshot(engine, lambda connection: timeseries.over_time(connection, query)))


@router.get("/top", summary="What stands out", response_model=Top)
async def get_top(_: Viewer, engine: Engine, query: Annotated[TopQuery, Query()]) -> Response:
    """The series, sources or categories with the highest mean, extreme, count, spread or number of anomalies."""
    return reply(await on_snapshot(engine, lambda connection: top.find_top(connection, query)))


@router.get("/distribution", summary="How values are spread", response_model=Distribution)
async def get_distribution(_: Viewer, engine: Engine, query: Annotated[DistributionQuery, Query()]) -> Response:
    """How many readings lie between which values, per unit; bins without readings are left out.

    Up to 200,000 readings are counted into bins of equal width; above that bins follow the sketches, whose bounds are
    2 % apart. A reading exactly on a bound counts in one of the two bins.
    """
    return reply(await on_snapshot(engine, lambda connection: distribution.find_distribution(connection, query)))
