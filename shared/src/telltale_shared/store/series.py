"""The series: which (source, category) pairs exist, with their ids and units."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant
from telltale_shared.store import schema

Identity = tuple[str, str]
"""(source, category)."""

_INSERT = text(
    "INSERT IGNORE INTO series (source, category, unit, origin, created_at)"
    " VALUES (:source, :category, :unit, :origin, :created_at)"
)


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it is stored. ``origin`` is its first value: rollups sum squares around it."""

    id: int
    source: str
    category: str
    unit: str | None
    origin: float


@dataclass(frozen=True, slots=True)
class NewSeries:
    """What a series would be created with."""

    unit: str | None
    origin: float


async def find_series(connection: AsyncConnection, wanted: Iterable[Identity]) -> dict[Identity, Series]:
    """Those of ``wanted`` that exist."""
    identities = list(wanted)
    if not identities:
        return {}
    table = schema.series
    columns = (table.c.id, table.c.source, table.c.category, table.c.unit, table.c.origin)
    rows = await connection.execute(
        table.select().with_only_columns(*columns).where(tuple_(table.c.source, table.c.category).in_(identities))
    )
    return {(row.source, row.category): Series(*row) for row in rows}


async def find_or_create_series(
    connection: AsyncConnection, wanted: Mapping[Identity, NewSeries], *, now: int
) -> dict[Identity, Series]:
    """All of ``wanted``; those that do not exist yet are created.

    Args:
        connection: in the caller's transaction, so a new series is only certain once that commits.
        wanted: identities, with what to create a missing one with. The unit of an existing one stays as it is.
        now: µs since 1970-01-01 UTC.
    """
    found = await find_series(connection, wanted)
    missing = sorted(identity for identity in wanted if identity not in found)
    if missing:
        created_at = instant(now)
        await connection.execute(
            _INSERT,
            [
                {
                    "source": source,
                    "category": category,
                    "unit": wanted[source, category].unit,
                    "origin": wanted[source, category].origin,
                    "created_at": created_at,
                }
                for source, category in missing
            ],
        )
        found |= await find_series(connection, missing)
    return found


class SeriesDirectory:
    """Remembers series that are certainly committed, so that a known one costs no query."""

    def __init__(self) -> None:
        self._known: dict[Identity, Series] = {}

    async def resolve(
        self, connection: AsyncConnection, wanted: Mapping[Identity, NewSeries], *, now: int
    ) -> dict[Identity, Series]:
        """All of ``wanted``, created where missing. Call :meth:`remember` with the result once it is committed."""
        unknown = {identity: new for identity, new in wanted.items() if identity not in self._known}
        found = await find_or_create_series(connection, unknown, now=now) if unknown else {}
        return {identity: self._known.get(identity) or found[identity] for identity in wanted}

    def remember(self, committed: Mapping[Identity, Series]) -> None:
        """Keep ``committed`` for later calls of :meth:`resolve`."""
        self._known.update(committed)
