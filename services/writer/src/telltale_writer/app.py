"""The writer, put together: the only place where its parts meet."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from telltale_shared.broker import BrokerAddress, Delivery, Link, Publisher, consume, retire
from telltale_shared.database import create_engine, database_problem, wait_for_schema
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.store.dead_letters import DeadLetter
from telltale_shared.store.partitions import PartitionedTable
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.system_events import SystemEvents, now_us
from telltale_shared.topology import DEAD_QUEUE, EVENTS_QUEUE, readings_queue, topology
from telltale_shared.validation import DAY, TimeBounds
from telltale_writer import __version__
from telltale_writer.backfill import fill_in_sketches
from telltale_writer.backlog import Backlog
from telltale_writer.consumer import ReadingConsumer
from telltale_writer.decode import GIVEN_UP, DecodedDelivery, decode_delivery, given_up
from telltale_writer.events import EventConsumer
from telltale_writer.ingest import Ingest
from telltale_writer.ledger_watch import LedgerWatch
from telltale_writer.metrics import Rate
from telltale_writer.retention import Days, Retention
from telltale_writer.settings import Settings

INGEST_CONNECTIONS = 2
"""One for readings, one for dead letters."""
OTHER_CONNECTIONS = 4
"""For whatever else of the writer's work overlaps."""
UPKEEP_CONNECTIONS = 1
"""What works once an hour does so step by step."""
EVENTS_PREFETCH = 1_000
DEAD_PREFETCH = 50


def create_app(settings: Settings) -> FastAPI:
    """The writer's app; its consumers run for as long as the app does."""
    connect = partial(
        create_engine, settings.database_url, settings.database_password.get_secret_value(), statement_timeout=60
    )
    # Apart, so that storing never waits for a connection, and none prepares the statements of work that is not its own.
    ingest_engine, engine = connect(pool_size=INGEST_CONNECTIONS), connect(pool_size=OTHER_CONNECTIONS)
    upkeep_engine = connect(pool_size=UPKEEP_CONNECTIONS)
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    broker = topology(settings.store_partitions)
    rate = Rate()
    ingest = Ingest(ingest_engine)
    readings = ReadingConsumer(
        ingest,
        lambda delivery: _decode(delivery, settings.retention_days, decode_delivery),
        rate,
        batch_rows=settings.batch_rows,
        prefetch=settings.prefetch,
        batch_age=settings.batch_age,
        on_backlog=Backlog(engine, settings.partition).note,
    )
    dead = ReadingConsumer(
        ingest,
        lambda delivery: _decode_dead(delivery, settings.retention_days),
        rate,
        batch_rows=settings.batch_rows,
        prefetch=DEAD_PREFETCH,
        batch_age=settings.batch_age,
    )
    events = EventConsumer(engine)
    retention = Retention(
        upkeep_engine,
        [
            PartitionedTable("records", settings.retention_days),
            PartitionedTable("system_logs", settings.log_retention_days),
        ],
        Days(ledger=settings.ledger_retention_days, dead_letters=settings.dead_letter_retention_days),
    )
    ledger = LedgerWatch(engine)
    links = {name: Link(address, broker, name=f"writer {name}") for name in ("readings", "events", "dead")}

    health = Health({"database": lambda: database_problem(engine), "ingest": lambda: readings.problem})
    for name, link in links.items():
        health.add(f"broker ({name})", partial(_problem_of, link))

    async def consume_readings() -> None:
        queue = broker.queue(readings_queue(settings.partition))
        for name in queue.former:
            await retire(links["readings"], name, queue.bindings, readings.run, prefetch=settings.prefetch)
        await consume(links["readings"], queue.name, readings.run, prefetch=settings.prefetch)

    async def consume_events() -> None:
        queue = broker.queue(EVENTS_QUEUE)
        for name in queue.former:
            await retire(links["events"], name, queue.bindings, events.run, prefetch=EVENTS_PREFETCH)
        await consume(links["events"], queue.name, events.run, prefetch=EVENTS_PREFETCH)

    async def consume_dead() -> None:
        await consume(links["dead"], DEAD_QUEUE, dead.run, prefetch=DEAD_PREFETCH)

    async def fill_in() -> None:
        await fill_in_sketches(engine)

    def figures() -> dict[str, float]:
        return {**rate.figures(), **ledger.figures()}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await wait_for_schema(engine, SCHEMA_VERSION)
        await retention.begin()
        publisher = Publisher(address, broker, name="writer system events")
        system_events = SystemEvents(publisher, health, service="writer", version=__version__, figures=figures)
        tasks = {
            "readings": consume_readings,
            "events": consume_events,
            "dead letters": consume_dead,
            "retention": retention.run,
            "ledger": ledger.run,
            "sketches": fill_in,
            "system events": system_events.run,
        }
        async with publisher, background(tasks):
            yield
        await ingest_engine.dispose()
        await engine.dispose()
        await upkeep_engine.dispose()

    return service_app("writer", version=__version__, settings=settings, health=health, lifespan=lifespan)


def _problem_of(link: Link) -> str | None:
    return link.problem


def _decode(delivery: Delivery, retention_days: int, how: Callable[..., DecodedDelivery]) -> DecodedDelivery:
    return how(
        delivery.body,
        tag=delivery.tag,
        headers=delivery.headers,
        redelivered=delivery.redelivered,
        bounds=TimeBounds.around(now_us(), retention=retention_days * DAY),
    )


def _decode_dead(delivery: Delivery, retention_days: int) -> DecodedDelivery:
    """What RabbitMQ itself gave up on: never stored, always accounted for."""
    if delivery.headers.get("x-first-death-queue") == EVENTS_QUEUE:
        letter = DeadLetter("delivery_limit", GIVEN_UP, delivery.body, count=0, maybe_known=delivery.redelivered)
        return DecodedDelivery(delivery.tag, None, dead=[letter])
    return _decode(delivery, retention_days, given_up)
