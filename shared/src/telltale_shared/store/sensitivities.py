"""How sensitive series are watched: what people set, and what their verdicts add to it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.detection.sensitivity import LEVELS
from telltale_shared.instants import instant
from telltale_shared.store.audit import Actor, Facts, write_audit
from telltale_shared.store.schema import sensitivities, series

SERIES_MAX = 5_000
"""Series at most that are told to detectors as not watched by default; those set or judged last."""

_UPSERT = text("""
INSERT INTO sensitivities (series_id, threshold, verdicts_from, set_by, set_at)
VALUES (:series_id, :threshold, :verdicts_from, :set_by, :at)
ON DUPLICATE KEY UPDATE threshold = VALUES(threshold), verdicts_from = COALESCE(VALUES(verdicts_from), verdicts_from),
  set_by = VALUES(set_by), set_at = VALUES(set_at)
""")
_TAUGHT = """
SELECT a.series_id, a.kind,
  SUM(IF(a.verdict = 'dismissed', 1, -1)) AS lessons
FROM anomalies a LEFT JOIN sensitivities s ON s.series_id = a.series_id
WHERE a.verdict IN ('dismissed', 'confirmed') AND {which} AND a.verdict_at > COALESCE(s.verdicts_from, '1970-01-01')
GROUP BY a.series_id, a.kind
"""
_TAUGHT_TO_ONE = text(_TAUGHT.format(which="a.series_id = :series_id"))
_TAUGHT_TO_ALL = text(
    f"{_TAUGHT.format(which='TRUE')} HAVING lessons > 0 ORDER BY MAX(a.verdict_at) DESC LIMIT {SERIES_MAX}"
)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How one series is watched."""

    threshold: float
    lessons: dict[str, int]
    """By kind: anomalies dismissed less those confirmed; 0 or less teaches nothing."""
    verdicts_from: datetime | None
    set_by: str | None
    set_at: datetime | None


async def find_series(connection: AsyncConnection, source: str, category: str) -> int | None:
    """The number of a series, or None."""
    wanted = select(series.c.id).where(series.c.source == source, series.c.category == category)
    return (await connection.execute(wanted)).scalar_one_or_none()


async def read_sensitivity(connection: AsyncConnection, series_id: int) -> Sensitivity:
    """How ``series_id`` is watched."""
    row = (await connection.execute(select(sensitivities).where(sensitivities.c.series_id == series_id))).first()
    taught = await connection.execute(_TAUGHT_TO_ONE, {"series_id": series_id})
    lessons = {one.kind: int(one.lessons) for one in taught}
    if row is None:
        return Sensitivity(LEVELS["normal"], lessons, None, None, None)
    return Sensitivity(row.threshold, lessons, row.verdicts_from, row.set_by, row.set_at)


async def set_sensitivity(
    connection: AsyncConnection, actor: Actor, series_id: int, target: str, *, threshold: float, forget_verdicts: bool
) -> None:
    """Watch ``series_id`` with ``threshold`` from now on, in the caller's transaction.

    Args:
        connection: in the caller's transaction.
        actor: who sets it.
        series_id: which series.
        target: its name for the audit trail.
        threshold: the score from which on anomalies are marked.
        forget_verdicts: whether verdicts given until now no longer count.
    """
    before = await read_sensitivity(connection, series_id)
    now = instant(time.time_ns() // 1_000)
    await connection.execute(
        _UPSERT,
        {
            "series_id": series_id,
            "threshold": threshold,
            "verdicts_from": now if forget_verdicts else None,
            "set_by": actor.name[:100],
            "at": now,
        },
    )
    old = _facts(before.threshold, before.lessons)
    new = _facts(threshold, {} if forget_verdicts else before.lessons)
    await write_audit(connection, actor, "sensitivity.set", target, before=old, after=new)


async def read_all(connection: AsyncConnection) -> dict[tuple[str, str], Sensitivity]:
    """Every series that is not watched as by default, by source and category."""
    columns = select(sensitivities).order_by(sensitivities.c.set_at.desc()).limit(SERIES_MAX)
    set_for = {row.series_id: row for row in await connection.execute(columns)}
    lessons: dict[int, dict[str, int]] = {}
    for one in await connection.execute(_TAUGHT_TO_ALL):
        lessons.setdefault(one.series_id, {})[one.kind] = int(one.lessons)
    wanted = select(series.c.id, series.c.source, series.c.category).where(series.c.id.in_({*set_for, *lessons}))
    found: dict[tuple[str, str], Sensitivity] = {}
    for row in await connection.execute(wanted):
        own = set_for.get(row.id)
        threshold = LEVELS["normal"] if own is None else own.threshold
        found[row.source, row.category] = Sensitivity(threshold, lessons.get(row.id, {}), None, None, None)
    return found


def _facts(threshold: float, lessons: Mapping[str, int]) -> Facts:
    taught = ", ".join(f"{kind} {count}" for kind, count in sorted(lessons.items()) if count > 0)
    return {"threshold": threshold, "dismissed": taught or None}
