"""Files sent to be imported, and what tests look at afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports.handlers import kinds
from telltale_query.jobs.runner import Runner
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store.rollups import recompute_at

from .conftest import Api, now, rfc3339, token

HEADER = "source,category,observed_at,value,unit,note\r\n"


START = now()


def at(minutes: float) -> str:
    """A time that may be imported, so many minutes before these tests began; the same whenever it is asked for."""
    return rfc3339(START - timedelta(minutes=minutes))


def row(
    minutes: float, value: object, *, source: str = "press", category: str = "temp", unit: str = "", note: str = ""
) -> str:
    """One line of a file."""
    return f"{source},{category},{at(minutes)},{value},{unit},{note}\r\n"


async def send(
    api: Api, content: str | bytes, *, role: Role = Role.USER, name: str = "file.csv", **options: Any
) -> httpx.Response:
    """Upload a file."""
    body = content.encode() if isinstance(content, str) else content
    return await api.http.post(
        "/api/v1/imports", headers={"Authorization": f"Bearer {token(role)}"}, params=options,
        files={"file": (name, body, "text/csv")},
    )  # fmt: skip


async def work(api: Api) -> None:
    """Do all jobs that wait, of imports."""
    runner = Runner(api.engine, kinds(365))
    while await runner.work_once(heavy=True):
        pass


async def imported(api: Api, content: str | bytes, **options: Any) -> Any:
    """Upload a file and have it worked on. Returns the import as it is then."""
    answer = await send(api, content, **options)
    assert answer.status_code == 202, answer.text
    await work(api)
    return await api.get(f"/imports/{answer.json()['id']}")


async def undone(api: Api, one: Any, *, role: Role = Role.USER) -> Any:
    """Undo an import. Returns it as it is then."""
    answer = await api.call("DELETE", f"/imports/{one['id']}", role=role)
    assert answer.status_code == 202, answer.text
    await work(api)
    return await api.get(f"/imports/{one['id']}")


async def mistakes(api: Api, one: Any) -> list[dict[str, Any]]:
    """What was wrong in the file."""
    return list((await api.get(f"/imports/{one['id']}/errors"))["items"])


async def rows(api: Api, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """What a query finds."""
    async with api.engine.connect() as connection:
        return [tuple(found) for found in await connection.execute(text(query), values)]


async def records(api: Api) -> list[tuple[Any, ...]]:
    """Every record: source, category, time, value, unit, note, import."""
    return await rows(
        api,
        "SELECT source, category, observed_at, value, unit, note, import_id FROM records"
        " JOIN series ON series.id = series_id ORDER BY source, category, observed_at",
    )


async def staged(api: Api) -> int:
    """Chunks and pieces of files that are kept."""
    (found,) = await rows(api, "SELECT (SELECT COUNT(*) FROM import_chunks) + (SELECT COUNT(*) FROM job_files)")
    return int(found[0])


DERIVED: Sequence[str] = (
    "SELECT series_id, bucket, `count`, ROUND(total, 6), minimum, maximum FROM rollups_minute WHERE `count` > 0",
    "SELECT series_id, bucket, `count`, ROUND(total, 6), minimum, maximum FROM rollups_hour WHERE `count` > 0",
    "SELECT series_id, bucket, `count`, ROUND(total, 6), minimum, maximum FROM rollups_day WHERE `count` > 0",
    "SELECT series_id, observed_at, value FROM series_latest",
)


async def check_derived(api: Api) -> None:
    """Rollups and latest readings are what the records say."""
    before = [sorted(await rows(api, query)) for query in DERIVED]
    newest = await rows(
        api,
        "SELECT series_id, observed_at, value FROM records WHERE (series_id, observed_at) IN"
        " (SELECT series_id, MAX(observed_at) FROM records GROUP BY series_id)",
    )
    assert before[-1] == sorted(newest)
    keys = await rows(
        api,
        "SELECT series_id, observed_at FROM records UNION SELECT series_id, bucket FROM rollups_minute"
        " ORDER BY series_id, observed_at",
    )

    async def again(connection: AsyncConnection) -> None:
        series = np.array([series_id for series_id, _ in keys], np.int64)
        times = np.array([_us(instant) for _, instant in keys], np.int64)
        await recompute_at(connection, series, times)

    await in_transaction(api.engine, again)
    after = [sorted(await rows(api, query)) for query in DERIVED]
    assert before == after
    counted = await rows(api, "SELECT COALESCE(SUM(`count`), 0) FROM rollups_day")
    assert int(counted[0][0]) == len(await rows(api, "SELECT 1 FROM records"))


def _us(instant: datetime) -> int:
    return microseconds(instant)
