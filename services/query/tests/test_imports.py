"""CSV imports through REST and the jobs that do them."""

from typing import Any

import pytest
from sqlalchemy import text

from telltale_query.imports.handlers import kinds
from telltale_query.jobs.runner import Runner
from telltale_shared.security import Role

from .conftest import Api, now, rfc3339, token

pytestmark = pytest.mark.anyio

HEADER = "source,category,observed_at,value,unit,note\r\n"


def at(minutes: float) -> str:
    """A time that may be imported, ``minutes`` before this one."""
    return rfc3339(now(minutes=minutes))


async def send(
    api: Api, content: str | bytes, *, role: Role = Role.USER, name: str = "file.csv", **options: Any
) -> Any:
    """Upload a file; the response."""
    body = content.encode() if isinstance(content, str) else content
    return await api.http.post(
        "/api/v1/imports", headers={"Authorization": f"Bearer {token(role)}"}, params=options,
        files={"file": (name, body, "text/csv")},
    )  # fmt: skip


async def work(api: Api) -> None:
    """Do all jobs that wait."""
    runner = Runner(api.engine, kinds(365))
    while await runner.work_once(heavy=True):
        pass


async def imported(api: Api, content: str | bytes, **options: Any) -> Any:
    """Upload a file, have it worked on; the import as it is then."""
    answer = await send(api, content, **options)
    assert answer.status_code == 202, answer.text
    await work(api)
    return await api.get(f"/imports/{answer.json()['id']}")


async def rows(api: Api, query: str) -> list[tuple[Any, ...]]:
    async with api.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def errors(api: Api, one: Any) -> list[Any]:
    return list((await api.get(f"/imports/{one['id']}/errors"))["items"])


async def test_a_file_becomes_records(api: Api) -> None:
    content = HEADER + f"press,temp,{at(3)},1.5,°C,\r\npress,temp,{at(2)},2.5,°C,a note\r\noven,temp,{at(1)},9,,\r\n"
    one = await imported(api, content)
    assert (one["state"], one["job"]["state"], one["job"]["problem"]) == ("applied", "done", None)
    assert one["rows"] == {
        "read": 3, "good": 3, "bad": 0, "stored": 3, "repeated": 0, "kept": 0, "replaced": 0, "undone": 0,
        "restored": 0, "left": 0,
    }  # fmt: skip
    listed = (await api.get("/records", {"sort": "observed_at"}))["items"]
    assert [(r["source"], r["value"], r["unit"], r["note"], r["import_id"]) for r in listed] == [
        ("press", 1.5, "°C", None, one["id"]),
        ("press", 2.5, "°C", "a note", one["id"]),
        ("oven", 9.0, None, None, one["id"]),
    ]
    again = await imported(api, content)
    assert (again["rows"]["stored"], again["rows"]["repeated"]) == (0, 3)
