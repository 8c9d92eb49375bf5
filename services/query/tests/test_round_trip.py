"""An exported file, imported into an empty system, gives the same records: whatever their text and their numbers."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from telltale_query.exports.job import ExportJob
from telltale_query.exports.schemas import KIND
from telltale_query.imports.handlers import kinds as import_kinds
from telltale_query.jobs.run import Kind
from telltale_query.jobs.runner import Runner
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.security import Role
from telltale_shared.store import records, rollups
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.validation import NAME_MAX, UNIT_MAX, is_name

from .conftest import Api, now, token
from .exported import ODD_NOTES

pytestmark = pytest.mark.anyio

BEGIN = now(days=2)

# What formulas, guards, quotes and line ends are made of, much more often than chance would have it.
_ODD = st.sampled_from(list("=+-@\t\r\n'\";,| \u00a0\ufeff\u2028<>&_\\"))
_ANY = st.characters(codec="utf-8", exclude_characters="\0")
NOTES = st.none() | st.sampled_from(ODD_NOTES) | st.text(_ODD | _ANY, min_size=1, max_size=30)
_PRINTABLE = st.sampled_from(list("=+-@'\";,| <>&_\\")) | st.characters(codec="utf-8", exclude_categories=["C", "Z"])
NAMES = st.text(_PRINTABLE, min_size=1, max_size=12).map(str.strip).filter(lambda name: is_name(name, NAME_MAX))
UNITS = st.none() | st.text(_PRINTABLE, min_size=1, max_size=4).filter(
    lambda unit: unit.isprintable() and len(unit) <= UNIT_MAX
)
VALUES = st.floats(-1e100, 1e100) | st.sampled_from([0.1 + 0.2, 5e-324, -1e100, 1e100, 1e16, 123456789.12345678])


@dataclass(frozen=True)
class Stored:
    """A record, as it has to come back."""

    source: str
    category: str
    observed_at: datetime
    value: float
    unit: str | None
    note: str | None


@st.composite
def contents(draw: st.DrawFn) -> list[Stored]:
    """What a system may hold: some series with some records each."""
    series = draw(st.dictionaries(st.tuples(NAMES, NAMES), UNITS, min_size=1, max_size=4))
    at = st.integers(0, 86_400_000_000).map(lambda us: BEGIN + timedelta(microseconds=us))
    return [
        Stored(source, category, observed_at, value, unit, note)
        for (source, category), unit in series.items()
        for observed_at, (value, note) in draw(
            st.dictionaries(at, st.tuples(VALUES, NOTES), min_size=1, max_size=12)
        ).items()
    ]


async def store(api: Api, held: list[Stored]) -> None:
    wanted = {(one.source, one.category): NewSeries(one.unit, one.value) for one in reversed(held)}

    async def work(connection: Any) -> None:
        series = await find_or_create_series(connection, wanted, now=time.time_ns() // 1_000)
        rows = sorted(
            ((series[one.source, one.category], one) for one in held), key=lambda row: (row[0].id, row[1].observed_at)
        )
        await connection.execute(
            text("INSERT INTO records (series_id, observed_at, value, note) VALUES (:series_id, :at, :value, :note)"),
            [{"series_id": of.id, "at": one.observed_at, "value": one.value, "note": one.note} for of, one in rows],
        )
        columns = records.Columns(
            np.array([of.id for of, _ in rows]),
            np.array([microseconds(one.observed_at) for _, one in rows]),
            np.array([one.value for _, one in rows]),
        )
        await rollups.add(connection, columns, np.array([of.origin for of, _ in rows]))
        await records.advance_latest(connection, columns)

    await in_transaction(api.engine, work)


async def held_by(api: Api) -> list[Stored]:
    async with api.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT source, category, observed_at, value, unit, note FROM records"
                " JOIN series ON series.id = records.series_id"
            )
        )
        return [Stored(*row) for row in rows]


async def round_trip(api: Api, **params: Any) -> Any:
    """Export all, empty the system, import; the import as it is then."""
    worker = Runner(api.engine, {KIND: Kind(ExportJob(1_000), heavy=False), **import_kinds(365)})
    begun = await api.call("POST", "/exports", params={"format": "csv", **params})
    assert begun.status_code == 202, begun.text
    assert await worker.work_once(heavy=False)
    file = await api.call("GET", f"/exports/{begun.json()['id']}/file")
    assert file.status_code == 200, file.text
    await api.empty()
    sent = await api.http.post(
        "/api/v1/imports",
        headers={"Authorization": f"Bearer {token(Role.USER)}"},
        files={"file": ("export.csv", file.content, "text/csv")},
    )
    assert sent.status_code == 202, sent.text
    while await worker.work_once(heavy=True):
        pass
    return await api.get(f"/imports/{sent.json()['id']}")


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(held=contents(), sort=st.sampled_from(["observed_at", "-value", "source"]))
@example(
    held=[Stored("=a", "'-b", BEGIN + timedelta(seconds=n), 0.1 * n, "+", note) for n, note in enumerate(ODD_NOTES)],
    sort="-category",
)
@example(held=[Stored("'", "''", BEGIN, -0.0, "'", "'"), Stored("'=", "'a", BEGIN, 0.0, None, "''=")], sort="category")
async def test_what_is_exported_and_imported_is_the_same(api: Api, held: list[Stored], sort: str) -> None:
    await api.empty()
    await store(api, held)
    there = await held_by(api)
    result = await round_trip(api, sort=sort)
    errors = (await api.get(f"/imports/{result['id']}/errors"))["items"]
    assert (result["state"], errors) == ("applied", [])
    assert result["rows"]["stored"] == len(held)
    assert sorted(map(repr, await held_by(api))) == sorted(map(repr, there))
