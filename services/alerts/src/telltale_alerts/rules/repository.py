"""The table ``rules``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_alerts.evaluation.rules import Direction, Kind, Rule, Severity
from telltale_alerts.schema import rules


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One row."""

    rule: Rule
    version: int
    enabled: bool
    built_in: bool
    changed_at: datetime
    changed_by: str


Work = Callable[[AsyncConnection], Awaitable[StoredRule | None]]


def _columns(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "severity": rule.severity,
        "sources": sorted(rule.sources),
        "categories": sorted(rule.categories),
        "hold": rule.hold,
        "clear_after": rule.clear_after,
        "direction": rule.direction,
        "threshold": rule.threshold,
        "clear_value": rule.clear,
        "min_score": rule.min_score,
        "anomaly_kinds": sorted(rule.anomaly_kinds),
    }


def _stored(row: Any) -> StoredRule:
    rule = Rule(
        id=row.id,
        revision=row.revision,
        name=row.name,
        kind=Kind(row.kind),
        severity=Severity(row.severity),
        sources=frozenset(row.sources),
        categories=frozenset(row.categories),
        hold=row.hold,
        clear_after=row.clear_after,
        direction=Direction(row.direction),
        threshold=row.threshold,
        clear=row.clear_value,
        min_score=row.min_score,
        anomaly_kinds=frozenset(row.anomaly_kinds),
    )
    return StoredRule(rule, row.version, bool(row.enabled), bool(row.built_in), row.changed_at, row.changed_by)


async def all_rules(connection: AsyncConnection) -> list[StoredRule]:
    """Every rule, in the order of their making."""
    return [_stored(row) for row in await connection.execute(select(rules).order_by(rules.c.id))]


async def enabled_rules(connection: AsyncConnection) -> list[Rule]:
    """The rules that are watched by."""
    return [one.rule for one in await all_rules(connection) if one.enabled]


async def by_id(connection: AsyncConnection, rule_id: int, *, lock: bool = False) -> StoredRule | None:
    """One rule, or None where there is none."""
    query = select(rules).where(rules.c.id == rule_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _stored(row)


async def count(connection: AsyncConnection) -> int:
    """How many rules there are."""
    return int((await connection.execute(select(func.count()).select_from(rules))).scalar_one())


async def name_is_taken(connection: AsyncConnection, name: str, *, by_other_than: int | None = None) -> bool:
    """Whether another rule is called so."""
    query = select(rules.c.id).where(rules.c.name == name)
    found = (await connection.execute(query)).scalars().all()
    return any(one != by_other_than for one in found)


async def add(connection: AsyncConnection, rule: Rule, *, enabled: bool, by: str, at: datetime) -> int:
    """A new rule; its id."""
    values = {**_columns(rule), "revision": 1, "version": 1, "enabled": enabled, "built_in": False}
    added = await connection.execute(insert(rules).values({**values, "changed_at": at, "changed_by": by}))
    return int(added.lastrowid)


async def change(
    connection: AsyncConnection, rule: Rule, *, version: int, enabled: bool, by: str, at: datetime
) -> None:
    """Replace the rule with the id of ``rule``."""
    values = {**_columns(rule), "revision": rule.revision, "version": version, "enabled": enabled}
    statement = update(rules).where(rules.c.id == rule.id)
    await connection.execute(statement.values({**values, "changed_at": at, "changed_by": by}))


async def remove(connection: AsyncConnection, rule_id: int) -> None:
    """Delete a rule."""
    await connection.execute(delete(rules).where(rules.c.id == rule_id))
