"""What a person changes: single records and verdicts, each in the caller's transaction and with its audit row.

A change of a record touches, in this order: the record, its revision, the latest reading of its series, the rollup
buckets that hold it, the audit trail. That is the writer's order, too, so that the two rarely deadlock; where they do,
the transaction is run again.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Row, and_, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.database import error_number
from telltale_shared.instants import instant, microseconds
from telltale_shared.store import rollups
from telltale_shared.store.audit import Actor, Facts, write_audit
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.records import Columns, advance_latest
from telltale_shared.store.schema import anomalies, record_edits, records, series, series_latest
from telltale_shared.store.series import NewSeries, find_or_create_series

NO_PARTITION = 1526
"""MariaDB: the table has no partition for this row's time."""

_NEXT_REVISION = text("""
INSERT INTO record_edits (series_id, observed_at, revision, edited_by, edited_at)
VALUES (:series_id, :observed_at, 1, :by, :at)
ON DUPLICATE KEY UPDATE revision = revision + 1, edited_by = VALUES(edited_by), edited_at = VALUES(edited_at)
""")


class RecordMissing(Exception):
    """There is no such record (any more)."""


class RecordExists(Exception):
    """The series has a record at this instant already."""


class UnitDiffers(Exception):
    """The series has another unit; the argument is that unit."""


class OutsideHorizon(Exception):
    """Records of this time are past the retention, or too far ahead: only rollups answer for them."""


class RecordVersion(NamedTuple):
    """Which record, of all that have been stored for one series and instant, somebody has seen.

    The revision alone does not tell: an import that is undone leaves none behind, and what is imported after it starts
    at 0 again.
    """

    revision: int
    import_id: int | None


class RevisionDiffers(Exception):
    """The record is not at the version that the change was made for."""

    def __init__(self, version: RecordVersion, edited_by: str, edited_at: datetime) -> None:
        super().__init__(f"changed by {edited_by}")
        self.version = version
        self.edited_by = edited_by
        self.edited_at = edited_at


@dataclass(frozen=True, slots=True)
class RecordValues:
    """What of a record may be changed."""

    value: float
    note: str | None


class Created(NamedTuple):
    """A record that was stored by hand."""

    series_id: int
    audit_id: int
    """Of its row in the audit trail."""


def _now() -> datetime:
    return instant(time.time_ns() // 1_000)


async def create_record(
    connection: AsyncConnection,
    actor: Actor,
    *,
    source: str,
    category: str,
    unit: str | None,
    observed_at: datetime,
    values: RecordValues,
) -> Created:
    """Store one reading; its series is created where it does not exist.

    Args:
        connection: in the caller's transaction.
        actor: who does it.
        source: of the series; validated by the caller, like all that follows.
        category: of the series.
        unit: of the value; None takes the unit that the series has.
        observed_at: naive UTC.
        values: the value and a note.

    Raises:
        UnitDiffers: the series has another unit.
        RecordExists: it has a record at this instant.
        OutsideHorizon: no partition holds this time, or retention has dropped it, and rollups may hold it already.
    """
    await _refuse_before_horizon(connection, observed_at)
    now = time.time_ns() // 1_000
    wanted = {(source, category): NewSeries(unit, values.value)}
    one = (await find_or_create_series(connection, wanted, now=now))[source, category]
    if unit is not None and unit != one.unit:
        raise UnitDiffers(one.unit)
    try:
        await connection.execute(
            insert(records).values(
                series_id=one.id, observed_at=observed_at, value=values.value, import_id=None, note=values.note
            )
        )
    except IntegrityError as error:
        raise RecordExists from error
    except DBAPIError as error:
        if error_number(error) == NO_PARTITION:
            raise OutsideHorizon from error
        raise
    stored = Columns(np.array([one.id]), np.array([microseconds(observed_at)]), np.array([values.value]))
    await advance_latest(connection, stored)
    await rollups.add(connection, stored, np.array([one.origin]))
    target = _target(source, category, observed_at)
    return Created(one.id, await write_audit(connection, actor, "record.create", target, after=_facts(values)))


async def edit_record(
    connection: AsyncConnection,
    actor: Actor,
    series_id: int,
    observed_at: datetime,
    *,
    expected: RecordVersion | None,
    value: float | None = None,
    change_note: bool = False,
    note: str | None = None,
) -> int:
    """Change the value of a record, its note, or both. Returns the id of the change in the audit trail.

    Args:
        connection: in the caller's transaction.
        actor: who does it.
        series_id: of the record.
        observed_at: of the record, naive UTC.
        expected: the version that the change was made for; None changes any.
        value: the new value; None keeps the old one.
        change_note: whether ``note`` replaces the old one, also when it is None.
        note: the new note.

    Raises:
        RecordMissing: there is no such record.
        RevisionDiffers: somebody changed it meanwhile.
        OutsideHorizon: retention has dropped records beside it, so that rollups could not follow.
    """
    row = await _lock(connection, series_id, observed_at, expected)
    await _refuse_before_horizon(connection, observed_at)
    old = RecordValues(row.value, row.note)
    new = RecordValues(old.value if value is None else value, note if change_note else old.note)
    await connection.execute(
        update(records).where(*_is(records, series_id, observed_at)).values(value=new.value, note=new.note)
    )
    await _revise(connection, actor, series_id, observed_at)
    if new.value != old.value:
        await connection.execute(
            update(series_latest).where(*_is(series_latest, series_id, observed_at)).values(value=new.value)
        )
        await rollups.recompute(connection, [(series_id, observed_at)])
    target = _target(row.source, row.category, observed_at)
    return await write_audit(connection, actor, "record.edit", target, before=_facts(old), after=_facts(new))


async def delete_record(
    connection: AsyncConnection,
    actor: Actor,
    series_id: int,
    observed_at: datetime,
    *,
    expected: RecordVersion | None,
) -> int:
    """Delete a record, with what detectors said of it. Returns the id of the change in the audit trail.

    Its revision stays, and is raised: no old ETag fits a successor.

    Args:
        connection: in the caller's transaction.
        actor: who does it.
        series_id: of the record.
        observed_at: of the record, naive UTC.
        expected: the version that the caller has seen; None deletes any.

    Raises:
        RecordMissing: there is no such record.
        RevisionDiffers: somebody changed it meanwhile.
        OutsideHorizon: retention has dropped records beside it, so that rollups could not follow.
    """
    row = await _lock(connection, series_id, observed_at, expected)
    await _refuse_before_horizon(connection, observed_at)
    await connection.execute(delete(records).where(*_is(records, series_id, observed_at)))
    await connection.execute(delete(anomalies).where(*_is(anomalies, series_id, observed_at)))
    await _revise(connection, actor, series_id, observed_at)
    await _find_latest_again(connection, series_id, observed_at)
    await rollups.recompute(connection, [(series_id, observed_at)])
    target = _target(row.source, row.category, observed_at)
    before = _facts(RecordValues(row.value, row.note))
    return await write_audit(connection, actor, "record.delete", target, before=before)


async def note_refusal(
    connection: AsyncConnection, actor: Actor, action: str, series_id: int, observed_at: datetime
) -> None:
    """Note that a change came too late, since somebody else had changed the record; nothing was changed.

    Args:
        connection: in a transaction of its own: that of the change is rolled back.
        actor: who wanted it.
        action: what was wanted, as ``record.edit``.
        series_id: of the record.
        observed_at: of the record, naive UTC.
    """
    names = select(series.c.source, series.c.category).where(series.c.id == series_id)
    row = (await connection.execute(names)).one()
    await write_audit(connection, actor, action, _target(row.source, row.category, observed_at), outcome="refused")


async def judge_anomaly(connection: AsyncConnection, actor: Actor, anomaly_id: int, verdict: str | None) -> bool:
    """Note what a person says to an anomaly.

    Args:
        connection: in the caller's transaction.
        actor: who says it.
        anomaly_id: which anomaly.
        verdict: ``confirmed``, ``dismissed``, or None to take a verdict back.

    Returns:
        Whether there is such an anomaly.
    """
    row = (
        await connection.execute(
            select(
                anomalies.c.verdict, anomalies.c.observed_at, anomalies.c.detector, series.c.source, series.c.category
            )
            .join_from(anomalies, series, series.c.id == anomalies.c.series_id)
            .where(anomalies.c.id == anomaly_id)
            .with_for_update()
        )
    ).first()
    if row is None:
        return False
    given = verdict is not None
    await connection.execute(
        update(anomalies)
        .where(anomalies.c.id == anomaly_id)
        .values(
            verdict=verdict,
            verdict_by=actor.name[:100] if given else None,
            verdict_at=_now() if given else None,
        )
    )
    target = f"{_target(row.source, row.category, row.observed_at)} · {row.detector}"
    before, after = {"verdict": row.verdict}, {"verdict": verdict}
    await write_audit(connection, actor, "anomaly.judge", target, before=before, after=after)
    return True


async def _lock(
    connection: AsyncConnection, series_id: int, observed_at: datetime, expected: RecordVersion | None
) -> Row[*tuple[Any, ...]]:
    """The record with its series' names, locked until the transaction ends."""
    found = (
        await connection.execute(
            select(
                series.c.source, series.c.category, record_edits.c.revision, record_edits.c.edited_by,
                record_edits.c.edited_at, records.c.value, records.c.note, records.c.import_id,
            )
            .join_from(records, series, series.c.id == records.c.series_id)
            .join(
                record_edits,
                and_(
                    record_edits.c.series_id == records.c.series_id,
                    record_edits.c.observed_at == records.c.observed_at,
                ),
                isouter=True,
            )
            .where(*_is(records, series_id, observed_at))
            .with_for_update()
        )
    ).first()  # fmt: skip
    if found is None:
        raise RecordMissing
    version = RecordVersion(found.revision or 0, found.import_id)
    if expected is not None and expected != version:
        raise RevisionDiffers(version, found.edited_by or "", found.edited_at or observed_at)
    return found


async def _refuse_before_horizon(connection: AsyncConnection, observed_at: datetime) -> None:
    horizon = await hold_horizon(connection)
    if horizon is not None and observed_at < horizon:
        raise OutsideHorizon


def _is(table: Any, series_id: int, observed_at: datetime) -> tuple[Any, Any]:
    return table.c.series_id == series_id, table.c.observed_at == observed_at


async def _revise(connection: AsyncConnection, actor: Actor, series_id: int, observed_at: datetime) -> None:
    await connection.execute(
        _NEXT_REVISION,
        {"series_id": series_id, "observed_at": observed_at, "by": actor.name[:100], "at": _now()},
    )


async def _find_latest_again(connection: AsyncConnection, series_id: int, deleted: datetime) -> None:
    """After ``deleted`` is gone: the latest reading of its series, if that was it."""
    # Locked before the records are read: a writer that has stored a newer one meanwhile compares with what we leave.
    latest = (
        await connection.execute(
            select(series_latest.c.observed_at).where(series_latest.c.series_id == series_id).with_for_update()
        )
    ).scalar()
    if latest != deleted:
        return
    newest = (
        await connection.execute(
            select(records.c.observed_at, records.c.value)
            .where(records.c.series_id == series_id)
            .order_by(records.c.observed_at.desc())
            .limit(1)
        )
    ).first()
    if newest is None:
        await connection.execute(delete(series_latest).where(series_latest.c.series_id == series_id))
    else:
        await connection.execute(
            update(series_latest)
            .where(series_latest.c.series_id == series_id)
            .values(observed_at=newest.observed_at, value=newest.value)
        )


def _target(source: str, category: str, observed_at: datetime) -> str:
    return f"{source} · {category} · {observed_at.isoformat()}Z"


def _facts(values: RecordValues) -> Facts:
    return {"value": values.value, "note": values.note}
