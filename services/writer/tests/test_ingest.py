"""What one transaction of the writer does to the database."""

import asyncio
import json
import math
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.contracts import ReadingBatch, SeriesKey, encode
from telltale_shared.database import create_engine
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.validation import DAY, TimeBounds
from telltale_writer.decode import DecodedDelivery, decode_delivery
from telltale_writer.ingest import Ingest

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


def batch(
    first: int,
    readings: Sequence[tuple[str, int, float]],
    *,
    producer: str = "p1",
    confirmed: int = 0,
    unit: str | None = "°C",
) -> bytes:
    sources = sorted({source for source, _, _ in readings})
    return encode(
        ReadingBatch(
            producer=producer,
            service="test",
            first=first,
            confirmed=confirmed,
            published_at=now_us(),
            series=[SeriesKey(source, "temperature", unit) for source in sources],
            index=[sources.index(source) for source, _, _ in readings],
            observed_at=[at for _, at, _ in readings],
            value=[value for _, _, value in readings],
        )
    )


def decoded(body: bytes, **headers: object) -> DecodedDelivery:
    bounds = TimeBounds.around(now_us(), retention=365 * DAY)
    return decode_delivery(body, tag=1, headers=headers, redelivered=False, bounds=bounds)


async def rows(engine: AsyncEngine, statement: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


LEDGER = "SELECT watermark, stored, repeated, dead, redelivered, proven FROM producers ORDER BY producer"


async def test_readings_are_stored_with_latest_rollups_and_ledger(engine: AsyncEngine) -> None:
    start = now_us() // (60 * SECOND) * 60 * SECOND - 600 * SECOND
    readings = [("a", start + n * SECOND, float(n)) for n in range(120)] + [("b", start, 5.0)]
    counts = await Ingest(engine).store([decoded(batch(1, readings))], now=now_us())
    assert (counts.stored, counts.repeated, counts.dead) == (121, 0, {})
    assert await rows(engine, LEDGER) == [(121, 121, 0, 0, 0, 0)]
    minutes = await rows(
        engine,
        "SELECT s.source, `count`, total, total_squares, minimum, maximum FROM rollups_minute r JOIN series s"
        " ON s.id = r.series_id ORDER BY source, bucket",
    )
    assert minutes == [
        ("a", 60, sum(range(60)), sum(n * n for n in range(60)), 0.0, 59.0),
        ("a", 60, sum(range(60, 120)), sum(n * n for n in range(60, 120)), 60.0, 119.0),
        ("b", 1, 5.0, 0.0, 5.0, 5.0),
    ]
    assert await rows(engine, "SELECT SUM(`count`), MAX(maximum) FROM rollups_day") == [(121, 119.0)]
    assert sorted(await rows(engine, "SELECT value FROM series_latest")) == [(5.0,), (119.0,)]


async def test_a_delivery_that_comes_again_changes_nothing(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    body = batch(1, [("a", now, 1.0), ("a", now + 1, 2.0)])
    for _ in range(3):
        await ingest.store([decoded(body)], now=now)
    await Ingest(engine).store([decoded(body), decoded(body)], now=now)
    assert await rows(engine, LEDGER) == [(2, 2, 0, 0, 8, 0)]
    assert await rows(engine, "SELECT SUM(`count`) FROM rollups_minute") == [(2,)]


async def test_the_first_value_of_an_instant_stays(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    await ingest.store([decoded(batch(1, [("a", now, 1.0)]))], now=now)
    again = [("a", now, 1.0), ("a", now, 9.0), ("a", now + 1, 3.0), ("a", now + 1, 3.0), ("a", now + 1, 4.0)]
    counts = await ingest.store([decoded(batch(2, again))], now=now)
    assert (counts.stored, counts.repeated, counts.dead) == (1, 2, {"conflict": 2})
    assert await rows(engine, LEDGER) == [(6, 2, 2, 2, 0, 0)]
    assert await rows(engine, "SELECT value FROM records ORDER BY observed_at") == [(1.0,), (3.0,)]
    letters = await rows(engine, "SELECT number, JSON_VALUE(payload, '$.value') FROM dead_letters ORDER BY number")
    assert letters == [(3, b"9.0"), (6, b"4.0")]
    assert await rows(engine, "SELECT SUM(`count`), SUM(total) FROM rollups_minute") == [(2, 4.0)]


async def test_bad_readings_die_alone(engine: AsyncEngine) -> None:
    now = now_us()
    body = batch(1, [("a", now, 1.0), ("a", now + 1, 2.0), ("a", now + 2, 3.0), ("a", now + 3, 4.0)])
    broken = body.replace(b'"value":[1.0,2.0,3.0,4.0]', b'"value":[1.0,NaN,"x",4.0]')
    assert broken != body
    counts = await Ingest(engine).store([decoded(broken)], now=now)
    assert (counts.stored, counts.dead) == (2, {"not_finite": 1, "not_a_number": 1})
    late = batch(5, [("a", now - 400 * DAY, 1.0), ("a", now + 3_600 * SECOND, 1.0), ("a", now + 9, 7.0)])
    counts = await Ingest(engine).store([decoded(late)], now=now)
    assert (counts.stored, counts.dead) == (1, {"too_old": 1, "in_the_future": 1})
    assert await rows(engine, LEDGER) == [(7, 3, 0, 4, 0, 0)]


async def test_an_unreadable_message_is_accounted_for_by_its_headers(engine: AsyncEngine) -> None:
    now = now_us()
    good = decoded(batch(1, [("a", now, 1.0)]))
    poison = decoded(b"\x00 no json", producer="p1", first=2, count=10)
    anonymous = decoded(b"{}")
    after = decoded(batch(12, [("a", now + 1, 1.0)], confirmed=11))
    counts = await Ingest(engine).store([good, poison, anonymous, after], now=now)
    assert (counts.stored, counts.dead) == (2, {"malformed": 11})
    assert await rows(engine, LEDGER) == [(12, 2, 0, 10, 0, 11)]
    assert await rows(engine, "SELECT number, `count` FROM dead_letters ORDER BY number") == [(None, 1), (2, 10)]


async def test_many_large_dead_letters_are_more_than_one_packet(engine: AsyncEngine) -> None:
    letters = [DeadLetter("malformed", "x" * 500, b"%08d" % n * 10_000, count=0) for n in range(1_100)]
    async with engine.begin() as connection:
        await bury(connection, letters, now=now_us())
    assert await rows(engine, "SELECT COUNT(*), COUNT(DISTINCT fingerprint) FROM dead_letters") == [(1_100, 1_100)]


async def test_another_unit_is_a_dead_letter(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    await ingest.store([decoded(batch(1, [("a", now, 1.0)]))], now=now)
    counts = await ingest.store([decoded(batch(2, [("a", now + 1, 1.0), ("b", now, 1.0)], unit="°F"))], now=now)
    assert (counts.stored, counts.dead) == (1, {"unit_conflict": 1})


async def test_a_series_that_began_without_a_unit_takes_none_on(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    units = (None, "°C", "°F", None)
    deliveries = [decoded(batch(n, [("a", now + n, 1.0)], unit=unit)) for n, unit in enumerate(units, start=1)]
    counts = await ingest.store(deliveries, now=now)
    assert (counts.stored, counts.dead) == (2, {"unit_conflict": 2})
    # Without a unit a reading is in that of its series.
    counts = await ingest.store(
        [decoded(batch(5, [("b", now, 1.0)])), decoded(batch(6, [("b", now + 1, 1.0)], unit=None))], now=now
    )
    assert (counts.stored, counts.dead) == (2, {})


async def test_a_repeat_is_recognised_whatever_its_digits(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    rng = random.Random(1)
    values = [rng.choice((-1, 1)) * rng.random() * 10.0 ** rng.randint(-300, 99) for _ in range(2_000)]
    values += [0.1 + 0.2, 1 / 3, 5e-324, 2.2250738585072014e-308, 1e100, -0.0, 0.0]
    readings = [("a", now + n, value) for n, value in enumerate(values)]
    await ingest.store([decoded(batch(1, readings))], now=now)
    counts = await ingest.store([decoded(batch(len(values) + 1, readings))], now=now)
    assert (counts.stored, counts.repeated, counts.dead) == (0, len(values), {})
    # One by one the driver speaks another protocol than in bulk.
    for n, value in enumerate(values[-20:]):
        first = 10_000 + 2 * n
        twice = [("b", now + n, value), ("b", now + n, value)]
        counts = await ingest.store([decoded(batch(first, twice))], now=now)
        assert (counts.stored, counts.repeated, counts.dead) == (1, 1, {})


async def test_what_the_database_alone_refuses_is_isolated(engine: AsyncEngine) -> None:
    now = now_us()
    readings = [("a", now + n, float(n)) for n in range(50)]
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON records FOR EACH ROW IF NEW.value = 7 THEN "
                 "SIGNAL SQLSTATE '22003' SET MYSQL_ERRNO = 1264, MESSAGE_TEXT = 'refused'; END IF")
        )  # fmt: skip
    try:
        deliveries = [decoded(batch(1, readings)), decoded(batch(51, [("b", now, 1.0)]))]
        counts = await Ingest(engine).store(deliveries, now=now)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TRIGGER refuse"))
    assert (counts.stored, counts.dead) == (50, {"refused_by_database": 1})
    assert await rows(engine, LEDGER) == [(51, 50, 0, 1, 0, 0)]


async def test_numbers_out_of_order_settle_and_gaps_show(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    order = [3, 1, 5, 2, 4]
    random.Random(7).shuffle(order)
    for number in order[:-1]:
        await ingest.store([decoded(batch(number, [("a", now + number, 1.0)]))], now=now)
    last = order[-1]
    assert await rows(engine, "SELECT watermark FROM producers") == [(last - 1,)]
    await ingest.store([decoded(batch(last, [("a", now + last, 1.0)]))], now=now)
    assert await rows(engine, LEDGER) == [(5, 5, 0, 0, 0, 0)]
    assert await rows(engine, "SELECT COUNT(*) FROM deliveries") == [(0,)]


async def test_a_lost_number_costs_one_row_until_it_comes(engine: AsyncEngine) -> None:
    now = now_us()
    for number in [1, *range(3, 10)]:
        await Ingest(engine).store([decoded(batch(number, [("a", now + number, 1.0)]))], now=now)
    assert await rows(engine, "SELECT first, last FROM deliveries") == [(3, 9)]
    for number in (12, 14, 13, 11):
        await Ingest(engine).store([decoded(batch(number, [("a", now + number, 1.0)]))], now=now)
    assert await rows(engine, "SELECT first, last FROM deliveries ORDER BY first") == [(3, 9), (11, 14)]
    await Ingest(engine).store([decoded(batch(number, [("a", now + number, 1.0)])) for number in (10, 2)], now=now)
    assert await rows(engine, "SELECT COUNT(*) FROM deliveries") == [(0,)]
    assert await rows(engine, LEDGER) == [(14, 14, 0, 0, 0, 0)]


async def test_a_delivery_cut_differently_is_refused_and_counts_nothing(engine: AsyncEngine) -> None:
    now = now_us()
    ingest = Ingest(engine)
    await ingest.store([decoded(batch(1, [("a", now, 1.0), ("a", now + 1, 1.0)]))], now=now)
    await ingest.store([decoded(batch(2, [("a", now + 1, 1.0), ("a", now + 2, 1.0)]))], now=now)
    assert await rows(engine, LEDGER) == [(2, 2, 0, 0, 0, 0)]
    [(reason, payload)] = await rows(engine, "SELECT reason, payload FROM dead_letters")
    assert reason == "overlap"
    assert isinstance(payload, bytes)
    assert json.loads(payload)["observed_at"] == [now + 1, now + 2]
    await ingest.store([decoded(batch(2, [("a", now + 1, 1.0), ("a", now + 2, 1.0)]))], now=now)
    assert await rows(engine, "SELECT COUNT(*) FROM dead_letters") == [(1,)]


async def test_a_cancelled_query_spoils_no_connection(migrated: Access, engine: AsyncEngine) -> None:
    alone = create_engine(migrated.url, migrated.password, pool_size=1)
    for n in range(15):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.003 * n), alone.begin() as connection:
                await connection.execute(text("INSERT INTO series_latest VALUES (:n, NOW(), 1)"), {"n": n})
                await connection.execute(text("SELECT SLEEP(0.05)"))
        async with alone.begin() as connection:
            assert (await connection.execute(text("SELECT :n"), {"n": n})).scalar() == n
    await alone.dispose()

    async def rolled_back() -> bool:
        return await rows(engine, "SELECT COUNT(*) FROM series_latest") == [(0,)]

    await eventually(rolled_back)


async def test_large_values_keep_rollups_finite(engine: AsyncEngine) -> None:
    now = now_us()
    await Ingest(engine).store([decoded(batch(1, [("a", now, 1e100), ("a", now + 1, -1e100)]))], now=now)
    [(total, squares)] = await rows(engine, "SELECT total, total_squares FROM rollups_day")
    assert total == 0.0
    assert isinstance(squares, float)
    assert math.isfinite(squares)
