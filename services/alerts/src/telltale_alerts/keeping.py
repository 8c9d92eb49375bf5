"""What the evaluator remembers, read from the database and written back: all of it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts import schema
from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rules import Kind, Severity
from telltale_alerts.evaluation.state import Alert, Change, Clock, Series, State
from telltale_alerts.rules.repository import enabled_rules
from telltale_alerts.silences.repository import lasting_silences
from telltale_alerts.webhooks.repository import Receiver, order_deliveries, receivers
from telltale_shared.broker import Place
from telltale_shared.contracts import AlertChanged, encode, schema_of
from telltale_shared.instants import instant, microseconds
from telltale_shared.topology import LIVE_ALERTS

TEXT_MAX = 1_000
"""Characters of an explanation."""


class Superseded(Exception):
    """Another process has taken over: there is one that evaluates."""


class AlreadyKept(Exception):
    """The transaction was committed before, although its answer was lost on the way."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found in the database."""

    evaluator: Evaluator
    place: Place | None
    """The last message of the stream that it has seen."""
    at: int
    """When that was written, µs since 1970-01-01 UTC: no two states are written at the same time."""


@dataclass(slots=True)
class Written:
    """What a transaction gave to alerts, to be told to them once it is committed."""

    ids: dict[int, int] = field(default_factory=dict)
    """By identity of the object, since an alert without a row has no other yet."""
    notified: list[Alert] = field(default_factory=list)

    def apply(self, alerts: Sequence[Alert]) -> None:
        """The transaction was committed."""
        for alert in alerts:
            alert.id = self.ids.get(id(alert), alert.id)
        for alert in self.notified:
            alert.notified = True


async def take_over(connection: AsyncConnection) -> int:
    """Be the one that evaluates from now on. Returns what :func:`write` has to show."""
    checkpoint = schema.checkpoint
    await connection.execute(update(checkpoint).values(epoch=checkpoint.c.epoch + 1))
    return int((await connection.execute(select(checkpoint.c.epoch))).scalar_one())


async def read(connection: AsyncConnection, *, max_series: int) -> Kept:
    """The evaluator as it was kept last."""
    row = (await connection.execute(select(schema.checkpoint))).one()
    clock = msgspec.convert(row.clock, Clock)
    every = await connection.execute(select(schema.series))
    series = [
        Series(one.source, one.category, one.unit, one.service, one.last_at, tuple(map(int, one.anomalies.split())))
        for one in every
    ]
    rows = await connection.execute(select(schema.alerts).where(schema.alerts.c.state != State.RESOLVED))
    evaluator = Evaluator(
        clock=clock,
        series=series,
        alerts=[_alert(one) for one in rows],
        rules=await enabled_rules(connection),
        silences=await lasting_silences(connection, clock.now),
        max_series=max_series,
    )
    place = None if row.stream_offset is None else Place(row.stream_offset, row.checksum)
    return Kept(evaluator, place, microseconds(row.saved_at))


def _alert(row: Any) -> Alert:
    kept = {name: row._mapping[name] for name in Alert.__dataclass_fields__}
    kept |= {"kind": Kind(row.kind), "severity": Severity(row.severity), "state": State(row.state)}
    return Alert(**{**kept, "notified": bool(row.notified)})


async def write(
    connection: AsyncConnection, evaluator: Evaluator, place: Place | None, *, epoch: int, after: int, now: int
) -> Written:
    """Keep the evaluator as it is, with the history of what has changed and what is to be told of it.

    Args:
        connection: in a transaction that holds nothing else.
        evaluator: as it is behind ``place``.
        place: the last message that it has seen.
        epoch: as :func:`take_over` gave it.
        after: when the state before this one was written, µs since 1970-01-01 UTC.
        now: when this one is; later than ``after``, and the same however often it is tried.

    Raises:
        Superseded: somebody else has taken over since.
        AlreadyKept: an attempt before this one was committed.
    """
    kept = {
        "stream_offset": None if place is None else place.offset,
        "checksum": None if place is None else place.checksum,
        "clock": msgspec.to_builtins(evaluator.clock.kept),
        "saved_at": instant(now),
    }
    checkpoint = schema.checkpoint.c
    expected = (checkpoint.epoch == epoch) & (checkpoint.saved_at == instant(after))
    if not (await connection.execute(update(schema.checkpoint).where(expected).values(kept))).rowcount:
        found = (await connection.execute(select(checkpoint.epoch, checkpoint.saved_at))).one()
        if found.epoch == epoch and found.saved_at == instant(now):
            raise AlreadyKept
        raise Superseded("another process evaluates the alerts now")
    for source, category in evaluator.forgotten:
        gone = (schema.series.c.source == source) & (schema.series.c.category == category)
        await connection.execute(delete(schema.series).where(gone))
    await _write_series(connection, list(evaluator.touched.values()))
    written = Written()
    ids = written.ids
    changed: dict[int, Alert] = {}
    for change in evaluator.changes:
        changed[id(change.alert)] = change.alert
    for alert in (*changed.values(), *evaluator.touched_alerts):
        if id(alert) in ids:
            continue
        values = _columns(alert)
        if alert.id is None:
            ids[id(alert)] = int((await connection.execute(insert(schema.alerts).values(values))).lastrowid)
        else:
            ids[id(alert)] = alert.id
            await connection.execute(update(schema.alerts).where(schema.alerts.c.id == alert.id).values(values))
    if evaluator.changes:
        await _tell(connection, evaluator.changes, written, await receivers(connection), now)
    idle = [ids[key] for key, alert in changed.items() if alert.state is State.RESOLVED and alert.fired_at is None]
    if idle:
        # It never fired: that it was about to is told to whoever looks on, but is no part of the history.
        await connection.execute(delete(schema.alerts).where(schema.alerts.c.id.in_(idle)))
    return written


def _columns(alert: Alert) -> dict[str, Any]:
    names = (name for name in Alert.__dataclass_fields__ if name not in ("id", "notified"))
    values = {name: getattr(alert, name) for name in names}
    return {**values, "explanation": alert.explanation[:TEXT_MAX], "notified": alert.notified}


async def _write_series(connection: AsyncConnection, series: Sequence[Series]) -> None:
    if not series:
        return
    statement = upsert(schema.series)
    statement = statement.on_duplicate_key_update(
        {name: statement.inserted[name] for name in ("unit", "service", "last_at", "anomalies")}
    )
    rows = [
        {
            "source": one.source,
            "category": one.category,
            "unit": one.unit,
            "service": one.service[:100],
            "last_at": one.last_at,
            "anomalies": " ".join(map(str, one.anomalies)),
        }
        for one in series
    ]
    await connection.execute(statement, rows)


async def _tell(
    connection: AsyncConnection, changes: Sequence[Change], written: Written, to: Sequence[Receiver], now: int
) -> None:
    """Write the history, what goes into the live stream, and what goes to webhooks."""
    notified = {id(change.alert) for change in changes if change.alert.notified}
    for change in changes:
        alert, alert_id = change.alert, written.ids[id(change.alert)]
        row = {
            "alert_id": alert_id,
            "at": change.at,
            "recorded_at": instant(now),
            "state": change.state,
            "value": change.value,
            "explanation": change.explanation[:TEXT_MAX],
            "by_whom": change.by,
            "note": change.note,
        }
        number = int((await connection.execute(insert(schema.history).values(row))).lastrowid)
        message = _message(change, alert_id, number)
        body = encode(message)
        outgoing = {"routing_key": LIVE_ALERTS, "type": schema_of(message), "body": body}
        await connection.execute(insert(schema.outbox).values(outgoing))
        if change.state is State.FIRING and id(alert) not in notified:
            notified.add(id(alert))
            written.notified.append(alert)
        elif change.state is not State.RESOLVED or id(alert) not in notified:
            continue
        over = change.state is State.RESOLVED
        await order_deliveries(connection, to, alert.severity, alert_id, body, now, only_told=over)
    if written.notified:
        flagged = [written.ids[id(alert)] for alert in written.notified]
        await connection.execute(update(schema.alerts).where(schema.alerts.c.id.in_(flagged)).values(notified=True))


def _message(change: Change, alert_id: int, number: int) -> AlertChanged:
    alert = change.alert
    return AlertChanged(
        alert=str(alert_id),
        number=number,
        rule=str(alert.rule_id),
        name=alert.rule_name,
        kind=alert.kind,
        severity=alert.severity,
        source=alert.source,
        category=alert.category,
        unit=alert.unit,
        state=change.state,
        since=alert.since,
        at=change.at,
        value=change.value,
        explanation=change.explanation[:TEXT_MAX],
        by=change.by,
        until=alert.silenced_until if change.state is State.SILENCED else None,
    )
