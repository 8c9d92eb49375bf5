"""Is all well? Puts together what heartbeats, queues, database and ledger say, and names what is not well."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.system import repository
from telltale_query.system.schemas import (
    BrokerStatus,
    DatabaseStatus,
    Instance,
    QueueStatus,
    Status,
    TableSize,
    WriterLag,
)
from telltale_shared.broker.inspection import InspectionFailed, QueueInspector
from telltale_shared.database import DATABASE_ERRORS, error_number, schema_problem
from telltale_shared.instants import EPOCH
from telltale_shared.store.ledger_figures import LedgerFigures, read_totals
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.topology import IDENTITY_STREAM, LIVE_STREAM, Topology

SILENT_SECONDS = 20.0
SIZES_MAX_AGE = 30.0
"""Seconds for which sizes are kept: the database looks at every partition to tell them."""
DATABASE_PATIENCE = 3.0


@dataclass(frozen=True)
class _Stored:
    """What the database told."""

    status: DatabaseStatus
    instances: list[Instance] = field(default_factory=list)
    totals: LedgerFigures | None = None
    newest: datetime | None = None
    schema_problem: str | None = None


class StatusReporter:
    """Answers ``GET /status``, also while the database or the broker is away."""

    def __init__(self, engine: AsyncEngine, queues: QueueInspector, topology: Topology) -> None:
        self._engine = engine
        self._queues = queues
        self._names = [queue.name for queue in topology.queues]
        self._sizes: tuple[int, list[TableSize]] = (0, [])
        self._sized_at = float("-inf")

    async def status(self) -> Status:
        """Everything, as it is right now."""
        stored, (queues, broker) = await asyncio.gather(self._ask_database(), self._ask_broker())
        instances = without_superseded(stored.instances)
        reasons = [
            *_database_reasons(stored),
            *_broker_reasons(queues, broker),
            *_instance_reasons(instances, known=stored.status.reachable),
        ]
        return Status(
            status="degraded" if reasons else "ok",
            reasons=reasons,
            ledger=None if stored.totals is None else one_line(stored.totals),
            totals=stored.totals,
            instances=instances,
            queues=queues,
            broker=broker,
            database=stored.status,
            lag=_lag(stored, queues, broker),
        )

    async def _ask_database(self) -> _Stored:
        try:
            async with asyncio.timeout(DATABASE_PATIENCE):
                return await self._read_database()
        except DATABASE_ERRORS as error:
            problem = f"{type(error).__name__} {error_number(error) or ''}".strip()
            return _Stored(DatabaseStatus(False, problem, None, None, None, None, []))

    async def _read_database(self) -> _Stored:
        async with self._engine.connect() as connection:
            version, migration, latency = await repository.read_version(connection)
            if time.monotonic() - self._sized_at > SIZES_MAX_AGE:
                self._sizes = await repository.read_sizes(connection)
                self._sized_at = time.monotonic()
            size, tables = self._sizes
            return _Stored(
                DatabaseStatus(True, None, version, migration, latency, size, tables),
                await repository.read_instances(connection, silent_after=SILENT_SECONDS),
                await read_totals(connection),
                await repository.read_newest_observed_at(connection),
                await schema_problem(connection, SCHEMA_VERSION),
            )

    async def _ask_broker(self) -> tuple[list[QueueStatus], BrokerStatus]:
        try:
            states = await self._queues.inspect(self._names)
        except InspectionFailed as error:
            return [], BrokerStatus(False, str(error))
        return [QueueStatus(one.name, one.messages, one.consumers) for one in states], BrokerStatus(True, None)


def without_superseded(instances: Sequence[Instance]) -> list[Instance]:
    """``instances`` without those that fell silent and were followed by a newer one of their service."""
    return [
        one
        for one in instances
        if one.health != "silent"
        or not any(other.service == one.service and other.started_at >= one.seen_at for other in instances)
    ]


def one_line(totals: LedgerFigures) -> str:
    """The ledger for a person in a hurry."""
    named = ("published", "missing", "repeated", "stored", "dead", "in_flight")
    return ", ".join(f"{getattr(totals, name):,} {name.replace('_', ' ')}" for name in named)


def _database_reasons(stored: _Stored) -> Iterable[str]:
    status = stored.status
    if not status.reachable:
        yield f"the database does not answer ({status.problem})"
    elif stored.schema_problem is not None:
        yield stored.schema_problem
    if stored.totals is not None and stored.totals.missing:
        yield f"{stored.totals.missing:,} readings are missing"


def _broker_reasons(queues: Sequence[QueueStatus], broker: BrokerStatus) -> Iterable[str]:
    if not broker.reachable:
        yield f"the broker does not answer ({broker.problem})"
    for queue in queues:
        if queue.name not in (LIVE_STREAM, IDENTITY_STREAM) and queue.messages and not queue.consumers:
            yield f"nothing consumes {queue.name}, where {queue.messages:,} messages wait"


def _instance_reasons(instances: Sequence[Instance], *, known: bool) -> Iterable[str]:
    for one in instances:
        if one.health == "silent":
            yield f"{one.instance} has been silent for {timedelta(seconds=int(one.age_seconds))}"
        elif one.health != "ok":
            wrong = "; ".join(f"{name}: {line}" for name, line in one.dependencies.items() if line != "ok")
            yield f"{one.instance} is {one.health}{f' ({wrong})' if wrong else ''}"
    if known and not any(one.service == "writer" and one.health != "silent" for one in instances):
        yield "no writer is running: readings wait in the broker"


def _lag(stored: _Stored, queues: Sequence[QueueStatus], broker: BrokerStatus) -> WriterLag:
    waiting = sum(queue.messages for queue in queues if queue.name.startswith("readings.store."))
    age = None if stored.newest is None else time.time() - (stored.newest - EPOCH).total_seconds()
    return WriterLag(
        deliveries_waiting=waiting if broker.reachable else None,
        readings_in_flight=None if stored.totals is None else stored.totals.in_flight,
        newest_record_age_seconds=None if age is None else round(age, 3),
    )
