"""Events that no honest service sends: each becomes a dead letter, its neighbours are stored."""

import itertools
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.broker import Delivery
from telltale_shared.contracts import AnomalyDetected, Heartbeat, LogEvent, ProducerState, ReadingBatch, encode
from telltale_shared.system_events import now_us
from telltale_writer.events import store_events

pytestmark = pytest.mark.anyio

NOW = now_us()


def anomaly(**changed: Any) -> AnomalyDetected:
    fields: dict[str, Any] = {
        "source": "a", "category": "load", "unit": "%", "observed_at": NOW, "value": 9.0, "score": 12.5,
        "expected_low": 0.0, "expected_high": 1.0, "kind": "spike", "detector": "robust", "version": "1",
        "explanation": "9 is too much", "detected_at": NOW,
    }  # fmt: skip
    return AnomalyDetected(**(fields | changed))


def heartbeat(**changed: Any) -> Heartbeat:
    fields: dict[str, Any] = {
        "service": "generator", "instance": "g", "version": "0.1.0", "started_at": NOW, "at": NOW, "health": "ok",
        "memory_bytes": 1,
    }  # fmt: skip
    return Heartbeat(**(fields | changed))


def producer(**changed: Any) -> Heartbeat:
    fields: dict[str, Any] = {"producer": "p", "published": 1, "confirmed": 1}
    return heartbeat(producers=[ProducerState(**(fields | changed))])


def log(**changed: Any) -> LogEvent:
    fields: dict[str, Any] = {
        "service": "x", "instance": "i", "at": NOW, "level": "warning", "logger": "l", "message": "m",
    }  # fmt: skip
    return LogEvent(**(fields | changed))


def batch(*messages: AnomalyDetected | Heartbeat | LogEvent | ReadingBatch) -> list[Delivery]:
    tags = itertools.count(1)
    return [Delivery(next(tags), encode(message), None, {}, False) for message in messages]


async def scalar(engine: AsyncEngine, statement: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).scalar()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (anomaly(source="x" * 101), "bad_source"),
        (anomaly(source=""), "bad_source"),
        (anomaly(source="a "), "bad_source"),
        (anomaly(category="\x00"), "bad_category"),
        (anomaly(unit="u" * 33), "bad_unit"),
        (anomaly(value=1e101), "out_of_range"),
        (anomaly(observed_at=2**62), "out_of_range"),
        (anomaly(observed_at=-(2**62)), "out_of_range"),
        (anomaly(detected_at=2**70), "out_of_range"),
        (heartbeat(at=2**62), "out_of_range"),
        (heartbeat(started_at=-1), "out_of_range"),
        (heartbeat(memory_bytes=-1), "out_of_range"),
        (heartbeat(memory_bytes=2**70), "out_of_range"),
        (producer(producer="p" * 65), "bad_producer"),
        (producer(producer="p "), "bad_producer"),
        (producer(published=-1), "out_of_range"),
        (producer(confirmed=2**64), "out_of_range"),
        (producer(dropped=2**64), "out_of_range"),
        (log(at=2**62), "out_of_range"),
        (
            ReadingBatch(
                producer="p", service="s", first=1, confirmed=0, published_at=1, series=[], index=[], observed_at=[],
                value=[],
            ),
            "unexpected",
        ),
    ],
)  # fmt: skip
async def test_a_bad_event_dies_alone(engine: AsyncEngine, bad: Any, reason: str) -> None:
    await store_events(engine, batch(anomaly(), bad, log(), heartbeat(producers=[])))
    assert await scalar(engine, "SELECT GROUP_CONCAT(reason) FROM dead_letters") == reason
    # No reading died: the ledger and the counts of dead readings do not see it.
    assert await scalar(engine, "SELECT SUM(`count`) FROM dead_letters") == 0
    for table in ("anomalies", "system_logs", "service_instances"):
        assert await scalar(engine, f"SELECT COUNT(*) FROM {table}") == 1


async def test_texts_longer_than_their_columns_are_shortened(engine: AsyncEngine) -> None:
    long = "ö" * 2_000
    state = ProducerState(producer="p", published=1, confirmed=1)
    await store_events(
        engine,
        batch(
            anomaly(detector=long, version=long, kind=long, explanation=long),
            heartbeat(service=long, instance=long, version=long, health=long, producers=[state]),
            log(service=long, instance=long, level=long, logger=long, message=long, request_id=long),
        ),
    )
    assert await scalar(engine, "SELECT COUNT(*) FROM dead_letters") == 0
    for table in ("anomalies", "system_logs", "service_instances", "producers"):
        assert await scalar(engine, f"SELECT COUNT(*) FROM {table}") == 1


async def test_what_the_database_alone_refuses_is_isolated(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TRIGGER refuse_beat BEFORE INSERT ON service_instances FOR EACH ROW IF NEW.instance = 'bad' "
                 "THEN SIGNAL SQLSTATE '22003' SET MYSQL_ERRNO = 1264, MESSAGE_TEXT = 'refused'; END IF")
        )  # fmt: skip
    try:
        await store_events(engine, batch(log(), heartbeat(instance="bad"), heartbeat(instance="good"), anomaly()))
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TRIGGER refuse_beat"))
    assert await scalar(engine, "SELECT GROUP_CONCAT(reason) FROM dead_letters") == "refused_by_database"
    assert await scalar(engine, "SELECT GROUP_CONCAT(instance) FROM service_instances") == "good"
    assert await scalar(engine, "SELECT COUNT(*) FROM anomalies") == 1


async def test_a_bad_event_whose_commit_is_not_answered_is_buried_once(
    engine: AsyncEngine, lost_answer: list[str]
) -> None:
    await store_events(engine, [Delivery(1, b"{", None, {}, False)])
    assert lost_answer
    assert await scalar(engine, "SELECT COUNT(*) FROM dead_letters") == 1
