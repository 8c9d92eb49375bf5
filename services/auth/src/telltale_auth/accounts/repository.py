"""The table ``users``."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import users
from telltale_shared.security import Role


@dataclass(frozen=True, slots=True)
class Account:
    """One row of ``users``."""

    id: int
    email: str
    name: str
    role: Role
    is_active: bool
    is_demo: bool
    password_hash: str
    token_version: int
    created_at: datetime
    last_login_at: datetime | None


def _account(row: Row[tuple[object, ...]]) -> Account:
    values = dict(row._mapping)
    return Account(**{**values, "role": Role(values["role"])})


async def _one(connection: AsyncConnection, condition: ColumnElement[bool], *, lock: bool) -> Account | None:
    query = select(users).where(condition)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _account(row)


async def by_id(connection: AsyncConnection, user_id: int, *, lock: bool = False) -> Account | None:
    """The account with this id; with ``lock`` nobody else changes it until the transaction ends."""
    return await _one(connection, users.c.id == user_id, lock=lock)


async def by_email(connection: AsyncConnection, email: str, *, lock: bool = False) -> Account | None:
    """The account with this address, in its normal spelling."""
    return await _one(connection, users.c.email == email, lock=lock)


async def demo_accounts(connection: AsyncConnection) -> list[Account]:
    """The accounts whose password everybody knows."""
    rows = await connection.execute(select(users).where(users.c.is_demo).order_by(users.c.id).with_for_update())
    return [_account(row) for row in rows]


async def lock_administrators(connection: AsyncConnection) -> set[int]:
    """The ids of all active administrators, whom nobody else changes until the transaction ends."""
    query = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.is_active == true()).order_by(users.c.id)
    return set((await connection.execute(query.with_for_update())).scalars())


async def add(
    connection: AsyncConnection,
    *,
    email: str,
    name: str,
    role: Role,
    password_hash: str,
    at: datetime,
    is_demo: bool = False,
) -> Account:
    """A new active account.

    Raises:
        IntegrityError: there is one with this address.
    """
    values = {
        "email": email,
        "name": name,
        "role": role.value,
        "is_active": True,
        "is_demo": is_demo,
        "password_hash": password_hash,
        "token_version": 1,
        "created_at": at,
        "last_login_at": None,
    }
    result = await connection.execute(insert(users).values(values))
    return Account(**{**values, "id": int(result.lastrowid), "role": role})  # type: ignore[arg-type]  # typed above


async def change(connection: AsyncConnection, user_id: int, **values: object) -> None:
    """Set columns of one account."""
    await connection.execute(update(users).where(users.c.id == user_id).values(**values))


async def remove(connection: AsyncConnection, user_id: int) -> None:
    """Delete one account, its sessions and its refresh tokens."""
    await connection.execute(delete(users).where(users.c.id == user_id))


async def page(
    connection: AsyncConnection, *, search: str, after_email: str | None, limit: int
) -> tuple[list[Account], int]:
    """The first ``limit`` accounts after ``after_email``, by address, and how many there are on all pages.

    Args:
        connection: to read with.
        search: a part of the name or address; empty for all.
        after_email: the last address of the page before.
        limit: accounts at most.
    """
    wanted: ColumnElement[bool] = true()
    if search:
        wanted = or_(*(column.icontains(search, autoescape=True) for column in (users.c.email, users.c.name)))
    total = (await connection.execute(select(func.count()).select_from(users).where(wanted))).scalar_one()
    here = wanted if after_email is None else and_(wanted, users.c.email > after_email)
    rows = await connection.execute(select(users).where(here).order_by(users.c.email).limit(limit))
    return [_account(row) for row in rows], total
