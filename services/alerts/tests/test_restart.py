"""The service as a process of its own: killed at any moment, it goes on behind the last message that it has kept."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_alerts import keeping, monitor
from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.housekeeping import Housekeeping
from telltale_alerts.keeping import Superseded
from telltale_alerts.monitor import Monitor
from telltale_shared.broker import BrokerAddress, Link, Place, Publisher, StreamEvent, follow
from telltale_shared.contracts import AlertChanged, decode, encode, schema_of
from telltale_shared.database import create_engine, in_transaction
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import LIVE_READINGS, LIVE_STREAM, topology
from telltale_shared.validation import DAY

from .conftest import reading
from .messages import at, readings, rule

pytestmark = pytest.mark.anyio

INSERT_RULE = """
INSERT INTO rules (revision, version, name, kind, severity, enabled, built_in, sources, categories, hold, clear_after,
  direction, threshold, clear_value, min_score, anomaly_kinds, changed_at, changed_by)
VALUES (1, 1, 'Too hot', 'threshold', 'critical', TRUE, FALSE, '[]', '[]', 0, 0, 'above', 90, NULL, 0, '[]',
  UTC_TIMESTAMP(6), 'test')
"""


@pytest.fixture
async def engine(migrated: Access) -> AsyncIterator[AsyncEngine]:
    """The database with one rule and nothing else."""
    engine = create_engine(migrated.url, migrated.password)
    async with engine.begin() as connection:
        for table in ("outbox", "history", "alerts", "series"):
            await connection.execute(text(f"DELETE FROM {table}"))
        await connection.execute(text("DELETE FROM rules WHERE NOT built_in"))
        await connection.execute(text(INSERT_RULE))
        await connection.execute(text("UPDATE checkpoint SET stream_offset=NULL, checksum=NULL, clock='{}'"))
    yield engine
    await engine.dispose()


@asynccontextmanager
async def service(database: Access, broker: Access, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "AMQP_URL": broker.url,
        "AMQP_PASSWORD": broker.password,
        "ALERTS_DATABASE_URL": database.url,
        "ALERTS_DATABASE_PASSWORD": database.password,
        "ALERTS_PORT": str(port),
        "AUTH_URL": "http://127.0.0.1:1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telltale_alerts", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.connect() as connection:
        return list(await connection.execute(text(query)))


async def test_killed_again_and_again_it_tells_every_change_once(
    engine: AsyncEngine, migrated: Access, new_broker: Callable[[], Access], free_port: int
) -> None:
    broker = new_broker()
    told: list[AlertChanged] = []

    async def collect(event: StreamEvent) -> None:
        message = decode(event.body)
        if isinstance(message, AlertChanged):
            told.append(message)

    address = BrokerAddress(broker.url, broker.password)
    link = Link(address, topology(), name="test")
    listening = asyncio.create_task(follow(link, LIVE_STREAM, collect, start="first"))
    swings = 60
    async with Publisher(address, topology(), name="test") as publisher:
        async with service(migrated, broker, free_port):
            await eventually(lambda: _has_place(engine), 40)

        async def publish() -> None:
            for n in range(2 * swings):
                message = reading(20.0 if n % 2 else 97.0)
                await publisher.publish(LIVE_READINGS, encode(message), schema=schema_of(message))
                await asyncio.sleep(0.05)

        publishing = asyncio.create_task(publish())
        while not publishing.done():
            async with service(migrated, broker, free_port) as process:
                await asyncio.sleep(random.uniform(1.5, 3.0))
                process.send_signal(signal.SIGKILL)
        async with service(migrated, broker, free_port):
            await eventually(lambda: _has_history(engine, 2 * swings), 60)
            await eventually(lambda: len({message.number for message in told}) == 2 * swings, 60)
    history = await rows(engine, "SELECT id, alert_id, state, at FROM history ORDER BY id")
    assert [row.state for row in history] == ["firing", "resolved"] * swings
    assert len({row.alert_id for row in history}) == swings
    assert [row.at for row in history] == sorted(row.at for row in history)
    # A crash between the broker's confirm and the row's deletion tells one again; its number says so.
    assert {message.number for message in told} == {row.id for row in history}
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _has_place(engine: AsyncEngine) -> bool:
    (row,) = await rows(engine, "SELECT stream_offset FROM checkpoint")
    return row.stream_offset is not None


async def _has_history(engine: AsyncEngine, count: int) -> bool:
    (row,) = await rows(engine, "SELECT COUNT(*) AS n FROM history")
    assert row.n <= count
    return bool(row.n == count)


def _monitor(engine: AsyncEngine) -> Monitor:
    link = Link(BrokerAddress("amqp://nowhere", ""), topology(), name="test")
    return Monitor(engine, link, max_series=100, clock=now_us)


def _event(offset: int, value: float, second: float) -> StreamEvent:
    message = readings(second, value)
    return StreamEvent(offset, encode(message), schema_of(message), {})


async def test_what_is_kept_is_found_again(engine: AsyncEngine) -> None:
    first = _monitor(engine)
    await first.begin()
    await first.take(_event(7, 97.0, 1))
    second = _monitor(engine)
    await second.begin()
    (kept,), (found,) = first.evaluator.alerts.values(), second.evaluator.alerts.values()
    assert found == kept
    assert second.evaluator.series == first.evaluator.series
    assert second.evaluator.clock.kept == first.evaluator.clock.kept
    await second.take(_event(8, 20.0, 2))
    assert [row.state for row in await rows(engine, "SELECT state FROM history ORDER BY id")] == ["firing", "resolved"]


async def test_of_two_processes_the_later_one_evaluates(engine: AsyncEngine) -> None:
    first, second = _monitor(engine), _monitor(engine)
    await first.begin()
    await second.begin()
    with pytest.raises(Superseded):
        await first.take(_event(7, 97.0, 1))
    assert await rows(engine, "SELECT id FROM alerts") == []
    await second.take(_event(7, 97.0, 1))
    assert len(await rows(engine, "SELECT id FROM alerts")) == 1


async def test_a_transaction_that_fails_leaves_nothing_behind_and_is_made_up_for(engine: AsyncEngine) -> None:
    evaluator = Evaluator(rules=[rule()])
    evaluator.readings(readings(1, 97.0))

    epoch = await in_transaction(engine, keeping.take_over)

    async def read(connection: Any) -> keeping.Kept:
        return await keeping.read(connection, max_series=100)

    kept = await in_transaction(engine, read)

    class Lost(Exception):
        """The connection, before the commit."""

    async def fail(connection: Any) -> None:
        await keeping.write(connection, evaluator, Place(1, 1), epoch=epoch, after=kept.at, now=at(1))
        raise Lost

    with pytest.raises(Lost):
        await in_transaction(engine, fail)
    (alert,) = evaluator.alerts.values()
    assert (alert.id, alert.notified) == (None, False)
    assert await rows(engine, "SELECT id FROM alerts") == []

    async def succeed(connection: Any) -> keeping.Written:
        return await keeping.write(connection, evaluator, Place(1, 1), epoch=epoch, after=kept.at, now=at(1))

    (await in_transaction(engine, succeed)).apply([alert])
    (row,) = await rows(engine, "SELECT id, notified FROM alerts")
    assert (row.id, bool(row.notified)) == (alert.id, alert.notified)
    assert alert.notified


async def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = _monitor(engine)
    await watching.begin()
    lost = 2

    async def losing(engine: AsyncEngine, work: Any) -> Any:
        nonlocal lost
        result = await in_transaction(engine, work)
        if isinstance(result, keeping.Written) and lost:
            lost -= 1
            raise OSError("the connection was lost after COMMIT")
        return result

    monkeypatch.setattr(monitor, "in_transaction", losing)
    monkeypatch.setattr(monitor, "RETRY_SECONDS", 0.01)
    await watching.take(_event(7, 97.0, 1))
    await watching.take(_event(8, 20.0, 2))
    await watching.take(_event(9, 98.0, 3))
    assert lost == 0
    history = await rows(engine, "SELECT alert_id, state FROM history ORDER BY id")
    assert [row.state for row in history] == ["firing", "resolved", "firing"]
    assert len(await rows(engine, "SELECT id FROM outbox")) == 3
    (alert,) = watching.evaluator.alerts.values()
    assert (alert.id, alert.value) == (history[-1].alert_id, 98.0)


async def test_a_connection_that_is_lost_while_a_change_is_kept_makes_no_gap(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = _monitor(engine)
    await watching.begin()
    begun = asyncio.Event()

    async def slow(engine: AsyncEngine, work: Any) -> Any:
        begun.set()
        await asyncio.sleep(0.1)
        return await in_transaction(engine, work)

    monkeypatch.setattr(monitor, "in_transaction", slow)
    taking = asyncio.create_task(watching.take(_event(7, 97.0, 1)))
    await begun.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await watching.take(_event(7, 97.0, 1))
    await watching.take(_event(8, 20.0, 2))
    assert watching.evaluator.clock.kept.blind_until == 0
    assert [row.state for row in await rows(engine, "SELECT state FROM history ORDER BY id")] == ["firing", "resolved"]


async def test_while_the_database_is_away_the_stream_waits_for_changes_only(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = _monitor(engine)
    await watching.begin()
    await watching.take(_event(7, 20.0, 1))
    away = True

    async def failing(engine: AsyncEngine, work: Any) -> Any:
        if away:
            raise OSError("nobody is there")
        return await in_transaction(engine, work)

    monkeypatch.setattr(monitor, "in_transaction", failing)
    monkeypatch.setattr(monitor, "KEEP_PERIOD", 0.01)
    monkeypatch.setattr(monitor, "RETRY_SECONDS", 0.01)
    keeping_place = asyncio.create_task(watching.keep())
    await eventually(lambda: "OSError" in str(watching.problem))
    await watching.take(_event(8, 21.0, 2))
    changing = asyncio.create_task(watching.take(_event(9, 97.0, 3)))
    following = asyncio.create_task(watching.take(_event(10, 98.0, 4)))
    await asyncio.sleep(0.1)
    assert not changing.done()
    assert not following.done()
    assert await rows(engine, "SELECT id FROM history") == []
    away = False
    await asyncio.wait_for(asyncio.gather(changing, following), 60)
    await eventually(lambda: watching.problem is None)
    (row,) = await rows(engine, "SELECT state FROM history")
    assert row.state == "firing"
    keeping_place.cancel()
    await asyncio.wait([keeping_place])
    again = _monitor(engine)
    await again.begin()
    assert again.evaluator.clock.kept == watching.evaluator.clock.kept
    assert again.evaluator.clock.kept.blind_until == 0, "nothing was missed"


async def _say_nothing(*_: Any) -> Any:
    await asyncio.sleep(600)


async def _have_no_connection_left(*_: Any) -> Any:
    raise PoolTimeout("the pool is exhausted")


@pytest.mark.parametrize("fail", [_say_nothing, _have_no_connection_left])
async def test_a_database_that_says_nothing_or_has_no_connection_left_is_away(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, fail: Callable[..., Any]
) -> None:
    watching = _monitor(engine)
    await watching.begin()
    for name, seconds in (("ATTEMPT_SECONDS", 0.05), ("KEEP_PERIOD", 0.01), ("RETRY_SECONDS", 0.01)):
        monkeypatch.setattr(monitor, name, seconds)
    with monkeypatch.context() as away:
        away.setattr(monitor, "in_transaction", fail)
        away.setattr(monitor, "enabled_rules", fail)
        with pytest.raises((TimeoutError, PoolTimeout)):
            await watching.take_up_changes(by="Ada")
        taking = asyncio.create_task(watching.take(_event(7, 97.0, 1)))
        await eventually(lambda: "TimeoutError" in str(watching.problem))
    monkeypatch.setattr(monitor, "ATTEMPT_SECONDS", 60)
    await asyncio.wait_for(taking, 60)
    assert [row.state for row in await rows(engine, "SELECT state FROM history")] == ["firing"]
    keeping_place = asyncio.create_task(watching.keep())
    with monkeypatch.context() as away:
        away.setattr(monitor, "ATTEMPT_SECONDS", 0.05)
        away.setattr(monitor, "enabled_rules", fail)
        await asyncio.sleep(0.3)
        assert not keeping_place.done()
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM rules WHERE NOT built_in"))
    await eventually(lambda: len(watching.evaluator.rules) == 1)  # the built-in one
    keeping_place.cancel()
    await asyncio.wait([keeping_place])


async def test_old_alerts_and_series_are_forgotten(engine: AsyncEngine) -> None:
    watching = _monitor(engine)
    await watching.begin()
    await watching.take(_event(1, 97.0, 1))
    await watching.take(_event(2, 20.0, 2))
    housekeeping = Housekeeping(engine, watching, history_days=5, series_days=3)
    await housekeeping.tidy_up(at(2) + 2 * DAY)
    assert len(await rows(engine, "SELECT id FROM history")) == 2
    assert len(await rows(engine, "SELECT source FROM series")) == 1
    await housekeeping.tidy_up(at(2) + 4 * DAY)
    assert await rows(engine, "SELECT source FROM series") == []
    await housekeeping.tidy_up(at(2) + 6 * DAY)
    assert await rows(engine, "SELECT id FROM history") == []
    assert await rows(engine, "SELECT id FROM alerts") == []
