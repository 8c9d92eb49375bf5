"""The table ``attempts``: how often somebody was wrong lately, by the digest of who and where."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, delete, select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import attempts


@dataclass(frozen=True, slots=True)
class Count:
    """One row."""

    failures: int
    at: datetime
    """When the last attempt began."""


async def lock(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, Count]:
    """Those counts that there are, which nobody else changes until the transaction ends."""
    query = select(attempts).where(attempts.c.digest.in_(sorted(digests))).with_for_update()
    return {row.digest: Count(row.failures, row.at) for row in await connection.execute(query)}


async def count(
    connection: AsyncConnection, digests: Collection[bytes], at: datetime, *, anew_before: datetime
) -> None:
    """Count an attempt for each; where the last one was before ``anew_before``, from one."""
    # In one order, whoever counts: two attempts at a time then wait for each other instead of deadlocking.
    added = insert(attempts).values([{"digest": one, "failures": 1, "at": at} for one in sorted(digests)])
    # The assignments go from left to right: the first one still sees the time as it was.
    failures = case((attempts.c.at < anew_before, 1), else_=attempts.c.failures + 1)
    await connection.execute(added.on_duplicate_key_update([("failures", failures), ("at", added.inserted.at)]))


async def take_back(connection: AsyncConnection, digests: Collection[bytes]) -> None:
    """Count one attempt less for each."""
    counted = and_(attempts.c.digest.in_(sorted(digests)), attempts.c.failures > 0)
    await connection.execute(update(attempts).where(counted).values(failures=attempts.c.failures - 1))


async def forget(connection: AsyncConnection, digests: Collection[bytes]) -> None:
    """Let their counts begin anew."""
    await connection.execute(delete(attempts).where(attempts.c.digest.in_(sorted(digests))))


async def purge(connection: AsyncConnection, before: datetime) -> None:
    """Delete the counts whose last attempt was before ``before``."""
    await connection.execute(delete(attempts).where(attempts.c.at < before))
