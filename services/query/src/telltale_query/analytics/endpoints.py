"""``GET /analytics/summary``, ``/analytics/categories`` and ``/analytics/timeseries``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from telltale_query.analytics import service
from telltale_query.analytics.schemas import Categories, Summary, SummaryQuery, Timeseries, TimeseriesQuery
from telltale_query.connections import Reading
from telltale_query.filters import ReadingQuery
from telltale_query.replies import reply
from telltale_shared.security import Viewer

router = APIRouter(prefix="/analytics", tags=["analytics"])


@router.get("/summary", summary="A range in a few numbers", response_model=Summary)
async def get_summary(_: Viewer, connection: Reading, query: Annotated[SummaryQuery, Query()]) -> Response:
    """Exact for any range: whole minutes, hours and days come from rollups, its ragged edges from the readings.

    Percentiles are taken from the readings themselves while the range holds at most 200,000; above that they are null
    and `percentiles_exact` is false.
    """
    return reply(await service.summarize(connection, query))


@router.get("/categories", summary="The same numbers per category", response_model=Categories)
async def get_categories(_: Viewer, connection: Reading, query: Annotated[ReadingQuery, Query()]) -> Response:
    """Categories side by side; those without readings in the range are left out."""
    return reply(await service.by_category(connection, query))


@router.get("/timeseries", summary="Series over time", response_model=Timeseries)
async def get_timeseries(_: Viewer, connection: Reading, query: Annotated[TimeseriesQuery, Query()]) -> Response:
    """Count, mean and extremes per bucket, exact also in the first and last one, which the range may cut.

    At most 50 series; `series_total` says how many there are.
    """
    return reply(await service.over_time(connection, query))
