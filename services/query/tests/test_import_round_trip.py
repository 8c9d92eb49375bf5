"""What is exported as CSV and imported into an empty system is the same again: any table of records."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_shared.validation import is_name

from .conftest import Api
from .imported import START, imported, mistakes, records

pytestmark = pytest.mark.anyio

starts = st.sampled_from(["", "=", "+", "-", "@", "'", "''", "'=", '"', "ä", ","])
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
names = st.builds(lambda start, rest: (start + rest)[:100], starts, text).filter(lambda name: is_name(name, 100))
units = st.one_of(
    st.none(), st.builds(lambda start, rest: start + rest, starts, text).filter(lambda unit: is_name(unit, 32))
)
notes = st.one_of(st.none(), st.builds(lambda start, rest: start + rest, starts, text).filter(bool))
readings = st.dictionaries(
    st.integers(0, 10**12), st.tuples(st.floats(-1e100, 1e100), notes), min_size=1, max_size=6
)  # by µs before these tests began
tables = st.dictionaries(st.tuples(names, names), st.tuples(units, readings), min_size=1, max_size=5)


async def store(api: Api, table: Any) -> None:
    """As it would be in the database, however it came there."""
    for number, ((source, category), (unit, rows)) in enumerate(table.items(), start=1):
        await api.run(
            "INSERT INTO series (id, source, category, unit, origin, created_at)"
            " VALUES (:id, :source, :category, :unit, 0, UTC_TIMESTAMP(6))",
            {"id": number, "source": source, "category": category, "unit": unit},
        )
        stored = {START - timedelta(microseconds=before): reading for before, reading in rows.items()}
        await api.store([(source, category, at, value) for at, (value, _) in stored.items()])
        for at, (_, note) in stored.items():
            await api.run(
                "UPDATE records SET note = :note WHERE series_id = :id AND observed_at = :at",
                {"note": note, "id": number, "at": at},
            )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables)
async def test_export_and_import_give_the_same_records(running: Api, table: Any) -> None:
    await running.empty()
    await store(running, table)
    before = [one[:6] for one in await records(running)]
    exported = await running.call("GET", "/records/export", params={"format": "csv"})
    assert exported.status_code == 200
    await running.empty()
    one = await imported(running, exported.content)
    assert one["state"] == "applied", await mistakes(running, one)
    assert [found[:6] for found in await records(running)] == before
    assert one["rows"]["stored"] == len(before)
