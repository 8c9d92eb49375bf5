"""The table ``api_keys``. A key is kept as a digest: who reads the table cannot use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import api_keys
from telltale_auth.sessions.repository import digest
from telltale_shared.security import Scope


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One row of ``api_keys``."""

    id: int
    user_id: int
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


def _key(row: Row[Any]) -> StoredKey:
    columns = row._mapping
    scopes = tuple(Scope(name) for name in columns["scopes"].split())
    kept = {name: columns[name] for name in StoredKey.__dataclass_fields__ if name != "scopes"}
    return StoredKey(**kept, scopes=scopes)


async def add(
    connection: AsyncConnection,
    user_id: int,
    *,
    secret: str,
    hint: str,
    name: str,
    scopes: Sequence[Scope],
    at: datetime,
    expires_at: datetime,
) -> StoredKey:
    """A new key; of ``secret`` only the digest and the ``hint`` are kept."""
    values = {
        "user_id": user_id,
        "name": name,
        "digest": digest(secret),
        "hint": hint,
        "scopes": " ".join(scopes),
        "created_at": at,
        "expires_at": expires_at,
    }
    number = int((await connection.execute(insert(api_keys).values(values))).lastrowid)
    return StoredKey(number, user_id, name, hint, tuple(scopes), at, expires_at, None)


async def of_account(connection: AsyncConnection, user_id: int) -> list[StoredKey]:
    """The account's keys that were not revoked, newest first; expired ones too."""
    mine = (api_keys.c.user_id == user_id) & api_keys.c.revoked_at.is_(None)
    rows = await connection.execute(select(api_keys).where(mine).order_by(api_keys.c.id.desc()))
    return [_key(row) for row in rows]


async def count_of(connection: AsyncConnection, user_id: int) -> int:
    """How many keys the account has that were not revoked."""
    mine = (api_keys.c.user_id == user_id) & api_keys.c.revoked_at.is_(None)
    return int((await connection.execute(select(func.count()).select_from(api_keys).where(mine))).scalar_one())


async def by_secret(connection: AsyncConnection, secret: str, now: datetime) -> StoredKey | None:
    """The key with this secret, if it is good."""
    good = (api_keys.c.digest == digest(secret)) & api_keys.c.revoked_at.is_(None) & (api_keys.c.expires_at > now)
    row = (await connection.execute(select(api_keys).where(good))).one_or_none()
    return None if row is None else _key(row)


async def touch(connection: AsyncConnection, key_id: int, at: datetime) -> None:
    """Note that a key was used."""
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


async def revoke(connection: AsyncConnection, user_id: int, key_id: int, at: datetime) -> bool:
    """Make a key of the account worthless; whether there was one."""
    mine = (api_keys.c.id == key_id) & (api_keys.c.user_id == user_id) & api_keys.c.revoked_at.is_(None)
    return bool((await connection.execute(update(api_keys).where(mine).values(revoked_at=at))).rowcount)
