"""Reading what the system says of itself: heartbeats, logs, the audit trail and the database's own figures."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, String, Table, cast, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside
from telltale_query.paging import RowId, Total, Window
from telltale_query.selection import Range
from telltale_query.system.schemas import AuditEntry, AuditFilter, AuditQuery, Instance, LogEntry, LogQuery, TableSize
from telltale_shared.store.schema import audit_log, series_latest, service_instances, system_logs

INSTANCES_SHOWN = 200
TABLES_SHOWN = 8
COUNTED_SINGLY = 10_000

_SIZES = text("""
SELECT TABLE_NAME AS name, COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n
FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY bytes DESC LIMIT 100
""")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in a list, newest first, a page begins or ends: what the cursor holds."""

    at: Annotated[datetime, msgspec.Meta(tz=False)]
    id: RowId


async def read_instances(connection: AsyncConnection, *, silent_after: float) -> list[Instance]:
    """The instances heard of lately, by service, last started first.

    Args:
        connection: to read with.
        silent_after: seconds without a heartbeat after which an instance counts as silent.
    """
    now = datetime.now(UTC)
    rows = await connection.execute(
        select(service_instances)
        .where(service_instances.c.seen_at > now.replace(tzinfo=None) - timedelta(days=1))
        .order_by(service_instances.c.service, service_instances.c.started_at.desc())
        .limit(INSTANCES_SHOWN)
    )
    return [_instance(row, now, silent_after) for row in rows]


def _instance(row: Any, now: datetime, silent_after: float) -> Instance:
    seen_at = outside(row.seen_at)
    age = (now - seen_at).total_seconds()
    return Instance(
        service=row.service,
        instance=row.instance,
        version=row.version,
        started_at=outside(row.started_at),
        seen_at=seen_at,
        age_seconds=round(max(0.0, age), 3),
        health=row.health if age <= silent_after else "silent",
        memory_bytes=row.memory_bytes,
        dependencies=_json(row.dependencies),
        figures=_json(row.figures),
    )


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value


async def read_version(connection: AsyncConnection) -> tuple[str, str | None, float]:
    """The database's version, its migration, and the milliseconds that the smallest query takes.

    Whether that migration serves this service, :func:`telltale_shared.database.schema_problem` tells.
    """
    await connection.execute(select(1))
    began = time.perf_counter()
    await connection.execute(select(1))
    latency = (time.perf_counter() - began) * 1_000
    version = (await connection.execute(select(func.version()))).scalar_one()
    migration = (await connection.execute(text("SELECT version_num FROM alembic_version LIMIT 1"))).scalar()
    return version, migration, round(latency, 3)


async def read_sizes(connection: AsyncConnection) -> tuple[int, list[TableSize]]:
    """The size of the whole database in bytes, and its largest tables."""
    tables = [TableSize(row.name, int(row.bytes), int(row.n)) for row in await connection.execute(_SIZES)]
    return sum(table.size_bytes for table in tables), tables[:TABLES_SHOWN]


async def read_newest_observed_at(connection: AsyncConnection) -> datetime | None:
    """When the newest record was measured (naive UTC), or None without any."""
    newest: datetime | None = (await connection.execute(select(func.max(series_latest.c.observed_at)))).scalar()
    return newest


async def list_logs(
    connection: AsyncConnection, query: LogQuery, window: Window[Place]
) -> tuple[list[LogEntry], Total]:
    """The log entries of ``window``, newest first, and how many there are."""
    conditions = Range.of(query).holds(system_logs.c.at)
    if query.level:
        conditions.append(system_logs.c.level.in_([level.value for level in query.level]))
    if query.service:
        conditions.append(system_logs.c.service.in_(query.service))
    if query.q:
        conditions.append(_holds(query.q, system_logs.c.message, system_logs.c.logger))
    rows, total = await _newest(connection, system_logs, conditions, window)
    return [
        LogEntry(
            id=str(row.id),
            at=outside(row.at),
            service=row.service,
            instance=row.instance,
            level=row.level,
            logger=row.logger,
            message=row.message,
            request_id=row.request_id,
            fields=_json(row.fields),
        )
        for row in rows
    ], total


async def list_audit(
    connection: AsyncConnection, query: AuditQuery, window: Window[Place]
) -> tuple[list[AuditEntry], Total]:
    """The changes of ``window``, newest first, and how many there are."""
    rows, total = await _newest(connection, audit_log, _audit_conditions(query), window)
    return [_audit_entry(row) for row in rows], total


async def read_audit(
    connection: AsyncConnection, query: AuditFilter, *, before: Place | None, limit: int
) -> list[AuditEntry]:
    """The next ``limit`` changes, newest first, without counting them."""
    window = Window(limit - 1, before)
    page = select(audit_log).where(*_audit_conditions(query))
    page = window.narrow(page, (audit_log.c.at, audit_log.c.id), lambda place: (place.at, place.id), descending=True)
    return [_audit_entry(row) for row in await connection.execute(page)]


def _audit_conditions(query: AuditFilter) -> list[ColumnElement[bool]]:
    conditions = Range.of(query).holds(audit_log.c.at)
    if query.actor:
        conditions.append(or_(audit_log.c.actor_id == query.actor, audit_log.c.actor_name == query.actor))
    if query.action:
        conditions.append(audit_log.c.action == query.action)
    if query.target:
        conditions.append(_holds(query.target, audit_log.c.target))
    if query.outcome:
        conditions.append(audit_log.c.outcome == query.outcome)
    if query.q:
        conditions.append(_holds(query.q, audit_log.c.target, audit_log.c.actor_name, cast(audit_log.c.action, String)))
    return conditions


def _audit_entry(row: Any) -> AuditEntry:
    before, after = _json(row.before), _json(row.after)
    return AuditEntry(
        id=str(row.id),
        at=outside(row.at),
        actor=row.actor_name,
        actor_id=row.actor_id,
        action=row.action,
        target=row.target,
        outcome=row.outcome,
        detail=_difference(before, after),
        before=before,
        after=after,
        request_id=row.request_id,
    )


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before is None or after is None:
        return ", ".join(f"{name} {value}" for name, value in (before or after or {}).items() if value is not None)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_shown(before.get(name))} → {_shown(after.get(name))}" for name in names)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _holds(wanted: str, *columns: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(column.icontains(wanted, autoescape=True) for column in columns))


async def _newest(
    connection: AsyncConnection, table: Table, conditions: list[ColumnElement[bool]], window: Window[Place]
) -> tuple[list[Any], Total]:
    page = select(table).where(*conditions)
    page = window.narrow(page, (table.c.at, table.c.id), lambda place: (place.at, place.id), descending=True)
    some = select(table.c.id).where(*conditions).limit(COUNTED_SINGLY + 1).subquery()
    counted = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    rows = list(await connection.execute(page))
    return rows, Total(min(counted, COUNTED_SINGLY), exact=counted <= COUNTED_SINGLY)
