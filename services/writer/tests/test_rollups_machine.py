"""Rollups against the records they summarise, after any sequence of changes: a state machine on a real database."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.contracts import SeriesKey
from telltale_shared.database import create_engine, in_transaction
from telltale_shared.instants import EPOCH, microseconds
from telltale_shared.store import edits, imports, removals, rollups
from telltale_shared.store.audit import Actor
from telltale_shared.store.differences import Differences
from telltale_shared.store.ledger import Numbers
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.store.rebuild import rebuild
from telltale_shared.store.records import Columns, Imported, key_order
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.testing import Access
from telltale_shared.testing_rollups import Row, compare, raw_rows
from telltale_writer.decode import DecodedDelivery
from telltale_writer.ingest import Ingest

ACTOR = Actor("1", "a person")
SOURCES = ("r", "s", "t")
KEPT_DAYS = 1
BULK = ("DELETE FROM records", "UPDATE records SET value = -value")
STEP = timedelta(days=4)

# Few instants, so that readings meet: around the midnight between the first two days, and in the third.
moment = st.one_of(
    st.builds(lambda s: timedelta(days=1, seconds=s / 2), st.integers(-300, 300)),
    st.builds(lambda m: timedelta(minutes=m, microseconds=1), st.integers(0, 3 * 1_440 - 1)),
)
value = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e100, 1e100), st.floats(-1e-99, 1e-99))
readings = st.lists(st.tuples(st.sampled_from(SOURCES), moment, value), min_size=1, max_size=30)
chosen = st.lists(st.integers(0, 10_000), min_size=1, max_size=4)


class Rollups(RuleBasedStateMachine):
    """Writers, editors, retention and rebuild, one after the other; each example has days of its own."""

    engine: ClassVar[AsyncEngine]
    loop: ClassVar[asyncio.AbstractEventLoop]
    first_day: ClassVar[date] = date(2040, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.ingest = Ingest(self.engine)
        self.numbered = self.imports = 0
        self.dropped: list[Row] = []
        self.horizon: datetime | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def transaction(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        return self.run(in_transaction(self.engine, work))

    def at(self, moment: timedelta) -> datetime:
        return datetime.combine(self.first_day, time.min) + moment

    def existing(self, chosen: list[int]) -> list[Row]:
        rows = sorted(self.transaction(raw_rows))
        return [rows[n % len(rows)] for n in chosen] if rows else []

    def within_horizon(self, at: datetime) -> bool:
        return self.horizon is None or at >= self.horizon

    @initialize()
    def begin(self) -> None:
        Rollups.first_day += STEP
        self.run(ensure_partitions(self.engine, PartitionedTable("records", 2), today=self.first_day))

        async def empty(connection: AsyncConnection) -> None:
            tables = ["records", "series", "series_latest", "record_edits", "producers", "horizons", "dead_letters"]
            tables.append("import_replacements")
            for table in (*tables, *(name for tier in rollups.TIERS for name in (tier.table, tier.sketches))):
                await connection.execute(text(f"DELETE FROM {table}"))

        self.transaction(empty)

    @rule(readings=readings)
    def store(self, readings: list[tuple[str, timedelta, float]]) -> None:
        """New, late, repeated and conflicting ones in one delivery, as the writer takes them."""
        numbers = Numbers("p", "test", self.numbered + 1, self.numbered + len(readings), 0)
        self.numbered += len(readings)
        delivery = DecodedDelivery(
            tag=1,
            numbers=numbers,
            series=[SeriesKey(source, "x", None) for source in SOURCES],
            offset=np.arange(len(readings)),
            index=np.array([SOURCES.index(source) for source, _, _ in readings]),
            observed_at=np.array([microseconds(self.at(moment)) for _, moment, _ in readings]),
            value=np.array([value for _, _, value in readings]),
        )
        self.run(self.ingest.store([delivery], now=microseconds(self.at(timedelta()))))

    @rule(source=st.sampled_from(SOURCES), moment=moment, value=value)
    def create_by_hand(self, source: str, moment: timedelta, value: float) -> None:
        async def work(connection: AsyncConnection) -> None:
            values = edits.RecordValues(value, None)
            await edits.create_record(
                connection, ACTOR, source=source, category="x", unit=None, observed_at=self.at(moment), values=values
            )

        try:
            self.transaction(work)
        except edits.RecordExists:
            assert any(at == self.at(moment) for _, at, _ in self.transaction(raw_rows))
        except edits.OutsideHorizon:
            assert not self.within_horizon(self.at(moment))
        else:
            assert self.within_horizon(self.at(moment))

    @rule(chosen=chosen, value=value)
    def edit(self, chosen: list[int], value: float) -> None:
        for series_id, at, _ in self.existing(chosen):
            self.change(partial(edits.edit_record, value=value), series_id, at)

    @rule(chosen=chosen)
    def delete(self, chosen: list[int]) -> None:
        for series_id, at in {row[:2] for row in self.existing(chosen)}:
            self.change(edits.delete_record, series_id, at)

    def change(self, how: Callable[..., Awaitable[int]], series_id: int, at: datetime) -> None:
        async def work(connection: AsyncConnection) -> None:
            await how(connection, ACTOR, series_id, at, expected=None)

        if self.within_horizon(at):
            self.transaction(work)
        else:
            with pytest.raises(edits.OutsideHorizon):
                self.transaction(work)

    @rule(share=st.floats(0, 1), statement=st.sampled_from(BULK))
    def change_in_bulk(self, share: float, statement: str) -> None:
        rows = sorted(row for row in self.transaction(raw_rows) if self.within_horizon(row[1]))
        touched = [(series_id, at) for series_id, at, _ in rows[: round(share * len(rows))]]

        async def work(connection: AsyncConnection) -> None:
            for series_id, at in touched:
                where = text(f"{statement} WHERE series_id = :series_id AND observed_at = :at")
                await connection.execute(where, {"series_id": series_id, "at": at})
            await rollups.recompute(connection, touched)

        self.transaction(work)

    @rule(readings=readings, replace=st.booleans())
    def import_a_file(self, readings: list[tuple[str, timedelta, float]], replace: bool) -> None:
        self.imports += 1
        rows = {(source, self.at(moment)): value for source, moment, value in readings}
        rows = {key: value for key, value in rows.items() if self.within_horizon(key[1])}

        async def work(connection: AsyncConnection) -> None:
            wanted = {(source, "x"): NewSeries(None, value) for (source, _), value in rows.items()}
            found = await find_or_create_series(connection, wanted, now=0)
            of = [found[source, "x"] for source, _ in rows]
            at = np.array([microseconds(at) for _, at in rows], np.int64)
            columns = Columns(np.array([one.id for one in of], np.int64), at, np.array([*rows.values()], np.float64))
            order = key_order(columns)
            origins = np.array([one.origin for one in of], np.float64)[order]
            imported = Imported(self.imports, None)
            await imports.store_rows(connection, ACTOR, columns.take(order), origins, imported, replace=replace)

        self.transaction(work)

    @precondition(lambda self: self.imports)
    @rule(which=st.integers(1, 10))
    def undo_an_import(self, which: int) -> None:
        which = 1 + which % self.imports
        after: tuple[int, datetime] | None = (0, EPOCH)
        while after is not None:
            restore = partial(imports.restore_replaced, actor=ACTOR, import_id=which, after=after, limit=3)
            after = self.transaction(restore).last
        span = {"after": self.at(-timedelta(1)), "until": self.at(timedelta(days=9))}
        for series_id in {row[0] for row in self.transaction(raw_rows)}:
            remove = partial(imports.remove_stored, import_id=which, began_at=EPOCH, series_id=series_id, limit=500)
            self.transaction(partial(remove, **span))
        assert which not in self.run(self.import_ids())

    async def import_ids(self) -> set[int]:
        """Of what imports stored and nobody edited: undoing leaves nothing of its own."""
        async with self.engine.connect() as connection:
            statement = """SELECT DISTINCT import_id FROM records
              WHERE (series_id, observed_at) NOT IN (SELECT series_id, observed_at FROM record_edits)"""
            return set((await connection.execute(text(statement))).scalars())

    @rule(share=st.floats(0, 1))
    def remove_in_bulk(self, share: float) -> None:
        rows = sorted(row for row in self.transaction(raw_rows) if self.within_horizon(row[1]))
        rows = rows[: round(share * len(rows))]
        ids = np.array([series_id for series_id, _, _ in rows], np.int64)
        at = np.array([microseconds(at) for _, at, _ in rows], np.int64)
        self.transaction(partial(removals.remove_records, series_id=ids, observed_at=at))

    @rule(moments=st.lists(moment, min_size=1, max_size=5))
    def recompute_what_did_not_change(self, moments: list[timedelta]) -> None:
        dropped = [(series_id, at) for series_id, at, _ in self.dropped]

        async def work(connection: AsyncConnection) -> None:
            ids = (await connection.execute(text("SELECT id FROM series"))).scalars().all()
            touched = [(one, self.at(moment)) for one in (*ids, 999) for moment in moments]
            await rollups.recompute(connection, [*touched, *dropped])

        self.transaction(work)

    @precondition(lambda self: self.horizon is None)
    @rule()
    def drop_the_first_day(self) -> None:
        second_day = self.at(timedelta(days=1))
        self.dropped = [row for row in self.transaction(raw_rows) if row[1] < second_day]
        self.horizon = second_day
        today = second_day.date() + timedelta(days=KEPT_DAYS)
        self.run(ensure_partitions(self.engine, PartitionedTable("records", KEPT_DAYS), today=today))
        assert all(row[1] >= second_day for row in self.transaction(raw_rows))

    @rule()
    def rebuild_what_is_right(self) -> None:
        assert self.run(self.rebuilt()).total == 0

    @rule(
        tier=st.sampled_from(rollups.TIERS),
        chosen=chosen,
        damage=st.sampled_from(
            (
                "DELETE FROM {tier.sketches}",
                "DELETE FROM {tier.table}",
                "UPDATE {tier.sketches} SET bins = CONCAT(bins, bins)",
                "UPDATE {tier.table} SET maximum = maximum + 1e99",
                "UPDATE {tier.table} SET `count` = `count` + 1",
            )
        ),
    )
    def rebuild_what_was_damaged(self, tier: rollups.Tier, chosen: list[int], damage: str) -> None:
        rows = [row for row in self.existing(chosen) if self.within_horizon(row[1])]
        buckets = {(series_id, tier.bucket_of(at)) for series_id, at, _ in rows}

        async def spoil(connection: AsyncConnection) -> None:
            statement = text(f"{damage.format(tier=tier)} WHERE series_id = :series_id AND bucket = :bucket")
            for series_id, bucket in buckets:
                await connection.execute(statement, {"series_id": series_id, "bucket": bucket})

        self.transaction(spoil)
        assert self.run(self.rebuilt()).total >= len(buckets)

    @rule()
    def fill_in_sketches(self) -> None:
        async def forget(connection: AsyncConnection) -> None:
            for tier in rollups.TIERS:
                statement = text(f"DELETE FROM {tier.sketches} WHERE bucket >= :begin")
                await connection.execute(statement, {"begin": self.horizon or self.at(timedelta())})

        self.transaction(forget)
        self.run(self.rebuilt(only_missing_sketches=True))

    async def rebuilt(self, **options: Any) -> Differences:
        total = Differences()
        async for step in rebuild(self.engine, **options):
            total += step.differences
        return total

    @invariant()
    def the_rollups_equal_the_records(self) -> None:
        async def work(connection: AsyncConnection) -> None:
            await compare(connection, and_dropped=self.dropped)

        self.transaction(work)


@pytest.mark.anyio
@pytest.mark.timeout(300)  # half a minute, and more when it fails: Hypothesis looks for a shorter example then
async def test_rollups_equal_the_records_after_any_changes(new_migrated: Callable[[], Access]) -> None:
    access = new_migrated()
    Rollups.engine, Rollups.loop = create_engine(access.url, access.password), asyncio.get_running_loop()
    bounds = settings(max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
    await asyncio.to_thread(run_state_machine_as_test, Rollups, settings=bounds)
    await Rollups.engine.dispose()
