"""The ledger in the database: its figures add up whatever comes, by day, and after old rows are folded."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.contracts import ProducerState
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.store.dead_letters import DeadLetter, bury, forget_dead_letters
from telltale_shared.store.ledger import DAY_FIGURES, Numbers, Standing, open_accounts, report_producers, settle
from telltale_shared.store.ledger_figures import LedgerFigures, read_totals
from telltale_shared.store.ledger_upkeep import EARLIER, FOLDED, correct_figures, fold_days, fold_producers
from telltale_shared.testing import eventually
from telltale_writer.ledger_watch import MISSING, LedgerWatch

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY_US = 86_400_000_000


async def store(engine: AsyncEngine, *deliveries: Numbers, at: datetime = NOON) -> None:
    """Settle ``deliveries`` as the writer does, all of their readings stored."""
    now = microseconds(at)

    async def work(connection: object) -> None:
        accounts = await open_accounts(connection, deliveries, now=now)  # type: ignore[arg-type]  # a connection
        for one in deliveries:
            if accounts[one.producer].claim(one) is Standing.NEW:
                accounts[one.producer].stored += one.last - one.first + 1
        await settle(connection, accounts.values(), now=now)  # type: ignore[arg-type]  # a connection

    await in_transaction(engine, work)


async def report(engine: AsyncEngine, *states: ProducerState, at: datetime = NOON) -> None:
    pairs = [("generator", state) for state in states]
    await in_transaction(engine, lambda connection: report_producers(connection, pairs, now=microseconds(at)))


async def totals(engine: AsyncEngine) -> LedgerFigures:
    async with engine.connect() as connection:
        return await read_totals(connection)


async def rows(engine: AsyncEngine, statement: str, **parameters: object) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement), parameters)]


async def assert_days_add_up(engine: AsyncEngine) -> None:
    """Whatever happened: the days of every producer, summed up, are its figures."""
    sums = ", ".join(f"CAST(p.{name} AS SIGNED) - COALESCE(SUM(d.{name}), 0)" for name in DAY_FIGURES)
    differences = await rows(
        engine, f"SELECT {sums} FROM producers p LEFT JOIN producer_days d ON d.producer_id = p.id GROUP BY p.id"
    )
    assert all(set(row) == {0} for row in differences), differences


def numbers(first: int, last: int, confirmed: int = 0, producer: str = "p") -> Numbers:
    return Numbers(producer, "generator", first, last, confirmed)


async def test_lost_late_and_repeated_deliveries_of_many_producers_add_up(engine: AsyncEngine) -> None:
    chance = random.Random(7)
    settled: dict[str, set[int]] = {}
    proven: dict[str, int] = {}
    waiting: list[Numbers] = []
    for producer in ("p1", "p2", "p3"):
        first = 1
        for _ in range(60):
            last = first + chance.randrange(20)
            waiting.append(numbers(first, last, confirmed=first - 1 - chance.randrange(3), producer=producer))
            first = last + 1
    chance.shuffle(waiting)
    lost, sent = waiting[:20], waiting[20:]
    while sent:
        batch, sent = sent[:7], sent[7:]
        await store(engine, *batch, *batch[:2], at=NOON + timedelta(hours=chance.randrange(48)))
        for one in batch:
            settled.setdefault(one.producer, set()).update(range(one.first, one.last + 1))
            told = max(0, min(one.confirmed, one.first - 1))
            proven[one.producer] = max(proven.get(one.producer, 0), told)
    missing = sum(len(set(range(1, proven[name] + 1)) - settled[name]) for name in settled)
    found = await totals(engine)
    assert missing > 0
    assert (found.stored, found.missing) == (sum(map(len, settled.values())), missing)
    await assert_days_add_up(engine)
    await store(engine, *lost)
    found = await totals(engine)
    assert (found.missing, found.in_flight) == (0, 0)
    assert await rows(engine, "SELECT COUNT(*) FROM deliveries") == [(0,)]
    await assert_days_add_up(engine)


async def test_a_producer_with_a_million_holes_costs_no_more_than_another(engine: AsyncEngine) -> None:
    await store(engine, numbers(2, 2))
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO deliveries SELECT id, 2 + 2 * seq, 2 + 2 * seq FROM producers, seq_1_to_200000")
        )
    begun = datetime.now(UTC)
    for n in range(20):
        await store(engine, numbers(1_000_001 + n, 1_000_001 + n))
    assert (datetime.now(UTC) - begun).total_seconds() < 3.0  # reading all of them would take half a second each
    assert await rows(engine, "SELECT last FROM deliveries WHERE first = 1000001") == [(1_000_020,)]


async def test_heartbeats_are_noted_by_day_whatever_their_order(engine: AsyncEngine) -> None:
    late = ProducerState(producer="p", published=5, confirmed=3)
    newer = ProducerState(producer="p", published=9, confirmed=7, dropped=2, closed=True)
    await report(engine, newer, late)
    await report(engine, late, at=NOON + timedelta(days=1))
    await report(engine, ProducerState(producer="p", published=12, confirmed=7, dropped=2), at=NOON + timedelta(days=1))
    found = await rows(engine, "SELECT day, published, confirmed, dropped FROM producer_days ORDER BY day")
    assert found == [(date(2026, 11, 24), 9, 7, 2), (date(2026, 11, 25), 3, 0, 0)]
    assert await rows(engine, "SELECT closed FROM producers") == [(1,)]
    await assert_days_add_up(engine)


async def test_what_an_older_writer_left_out_is_made_up_for(engine: AsyncEngine) -> None:
    await store(engine, numbers(1, 10), numbers(21, 30, confirmed=15))
    expected = await totals(engine)
    async with engine.begin() as connection:  # what it knows nothing of, it leaves as it was
        await connection.execute(text("UPDATE producers SET missing = 0, confirmed = 0, published = 0"))
        await connection.execute(text("UPDATE producer_days SET missing = 0, published = 0, confirmed = 0, stored = 7"))
    for _ in range(2):
        await in_transaction(engine, lambda connection: correct_figures(connection, today=date(2026, 11, 30)))
        assert await totals(engine) == expected
        await assert_days_add_up(engine)
    assert expected.missing == 5


async def test_old_days_and_ended_producers_are_folded_and_their_figures_stay(engine: AsyncEngine) -> None:
    for day in range(40):
        name = f"p{day % 4}"
        done = day // 4 * 10
        at = NOON + timedelta(days=day)
        await store(engine, numbers(done + 1, done + 10, confirmed=done, producer=name), at=at)
        closed = day in (36, 37)  # p0 and p1 end; p1 has a reading that never came
        published = done + 10 + (day == 37)
        await report(engine, ProducerState(producer=name, published=published, confirmed=done, closed=closed), at=at)
    before = await totals(engine)
    horizon = NOON.replace(tzinfo=None, hour=0) + timedelta(days=39)
    assert await in_transaction(engine, lambda c: fold_producers(c, before=horizon)) == 1
    assert await in_transaction(engine, lambda c: fold_producers(c, before=horizon)) == 0
    while await in_transaction(engine, lambda c: fold_days(c, before=horizon.date())):
        pass
    assert await totals(engine) == before
    await assert_days_add_up(engine)
    days = await rows(engine, "SELECT p.producer, d.day FROM producer_days d JOIN producers p ON p.id = d.producer_id"
                              " ORDER BY p.producer, d.day")  # fmt: skip
    assert days == [
        (FOLDED, EARLIER), ("p1", EARLIER), ("p2", EARLIER), ("p3", EARLIER), ("p3", date(2027, 1, 2)),
    ]  # fmt: skip
    await in_transaction(engine, lambda connection: correct_figures(connection, today=date(2027, 1, 2)))
    assert await totals(engine) == before
    assert len(await rows(engine, "SELECT 1 FROM producer_days")) == len(days)


async def test_old_dead_letters_are_forgotten_and_go_on_counting(engine: AsyncEngine) -> None:
    now = microseconds(NOON)
    letters = [DeadLetter("too_old", "x", b"{}", producer="p", number=n) for n in range(1, 4)]
    for n, letter in enumerate(letters):
        await in_transaction(engine, lambda c, n=n, letter=letter: bury(c, [letter], now=now + n * DAY_US))  # type: ignore[misc]  # bound now
    before = NOON.replace(tzinfo=None) + timedelta(days=1, hours=1)
    assert await in_transaction(engine, lambda c: forget_dead_letters(c, before=before)) == 2
    assert await rows(engine, "SELECT number FROM dead_letters") == [(3,)]


async def test_the_watch_tells_what_is_missing(engine: AsyncEngine) -> None:
    watch = LedgerWatch(engine)
    assert watch.figures() == {}
    await store(engine, numbers(1, 10), numbers(21, 30, confirmed=15))
    task = asyncio.create_task(watch.run())
    try:
        figures = await eventually(watch.figures)
    finally:
        task.cancel()
    assert figures["ledger_missing"] == 5.0
    assert figures["ledger_published"] == 30.0
    assert figures["ledger_published"] == sum(
        figures[f"ledger_{name}"] for name in ("stored", "repeated", "dead", "missing", "in_flight")
    )
    assert MISSING._value.get() == 5.0
