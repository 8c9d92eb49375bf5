"""``GET /series``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from telltale_query.connections import Reading
from telltale_query.filters import PageQuery, SeriesQuery
from telltale_query.paging import Page, Window
from telltale_query.replies import reply
from telltale_query.series.repository import Key, list_series
from telltale_query.series.schemas import SeriesItem
from telltale_shared.security import Viewer

router = APIRouter(tags=["series"])


class SeriesPageQuery(SeriesQuery, PageQuery):
    """Which series, and which page of them."""


@router.get("/series", summary="List the series with their newest readings", response_model=Page[SeriesItem])
async def get_series(_: Viewer, connection: Reading, query: Annotated[SeriesPageQuery, Query()]) -> Response:
    """By source and category."""
    window = Window.of(query.limit, query.cursor, Key)
    items, total = await list_series(connection, query, window)
    return reply(Page.cut(items, window, total, lambda item: Key(item.source, item.category)))
