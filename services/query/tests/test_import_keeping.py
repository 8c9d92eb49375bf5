"""What is kept of imports, and for how long."""

import pytest

from telltale_query.imports.outdated import forget_outdated

from .conftest import Api
from .imported import HEADER, imported, row, rows, undone

pytestmark = pytest.mark.anyio

FILE = HEADER + row(3, 1.5, unit="°C") + row(2, 2.5, unit="°C", note="a note") + row(1, 9, source="oven")


async def test_what_is_kept_of_imports_is_forgotten_in_time(api: Api) -> None:
    replaced = await imported(api, FILE)
    applied = await imported(
        api, FILE.replace(",1.5,", ",1.75,") + "broken\r\n", on_conflict="replace", on_error="skip"
    )
    rejected = await imported(api, FILE + "broken\r\n")
    taken_back = await imported(api, HEADER + row(900, 1))
    await undone(api, taken_back)

    async def kept(table: str) -> set[int]:
        return {one for (one,) in await rows(api, f"SELECT DISTINCT import_id FROM {table}")}

    async def pass_days(days: int) -> None:
        await api.run(
            "UPDATE imports SET finished_at = finished_at - INTERVAL :d DAY, undone_at = undone_at - INTERVAL :d DAY",
            {"d": days},
        )
        await forget_outdated(api.engine, hours=24, days=30, retention_days=365)

    with_errors = {applied["id"], rejected["id"]}
    with_records = {replaced["id"], applied["id"]}
    await pass_days(29)
    assert await kept("import_errors") == with_errors
    assert await kept("import_series") >= with_records | {taken_back["id"]}
    await pass_days(2)
    assert await kept("import_errors") == set()
    assert await kept("import_series") == with_records
    assert await kept("import_replacements") == {applied["id"]}
    assert len((await api.get("/records", {"import_id": applied["id"]}))["items"]) > 0
    await pass_days(340)
    assert await kept("import_series") == set()
    assert await kept("import_replacements") == set()


async def test_a_checked_file_is_forgotten_after_a_day(api: Api) -> None:
    old, new = await imported(api, FILE, dry_run=True), await imported(api, FILE, dry_run=True)
    await api.run("UPDATE imports SET created_at = created_at - INTERVAL 25 HOUR WHERE id = :id", {"id": old["id"]})
    await forget_outdated(api.engine, hours=24, days=30, retention_days=365)
    states = [one["state"] for one in (await api.get("/imports"))["items"]]
    assert states == ["checked", "cancelled"]
    assert await rows(api, "SELECT DISTINCT import_id FROM import_chunks") == [(new["id"],)]
