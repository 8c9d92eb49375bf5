"""The tables of sessions and refresh tokens. Secrets are kept as digests: who reads the tables cannot use them."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import refresh_families, refresh_tokens, sessions


def new_secret() -> str:
    """256 random bits: too many to guess, so that a plain digest protects them well enough."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored in place of ``secret``."""
    return hashlib.sha256(secret.encode()).digest()


def browser_session(number: int) -> str:
    """How tokens, and their owner, name the row of ``sessions`` with this id."""
    return f"s{number}"


def client_session(number: int) -> str:
    """How tokens, and their owner, name the family of refresh tokens with this id."""
    return f"t{number}"


@dataclass(frozen=True, slots=True)
class Session:
    """One row of ``sessions``."""

    id: int
    user_id: int
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token with what its family says."""

    family_id: int
    user_id: int
    used_at: datetime | None
    expires_at: datetime
    family_expires_at: datetime
    revoked_at: datetime | None


async def add_session(
    connection: AsyncConnection, user_id: int, *, at: datetime, expires_at: datetime, address: str, client: str
) -> tuple[int, str]:
    """A new session; returns its number, and the secret that its browser keeps, which is stored nowhere."""
    secret = new_secret()
    result = await connection.execute(
        insert(sessions).values(
            digest=digest(secret),
            user_id=user_id,
            created_at=at,
            last_used_at=at,
            expires_at=expires_at,
            address=address,
            client=client,
        )
    )
    return int(result.lastrowid), secret


async def session(connection: AsyncConnection, session_id: str) -> Session | None:
    """The session with this id."""
    columns = (sessions.c.id, sessions.c.user_id, sessions.c.last_used_at, sessions.c.expires_at)
    row = (await connection.execute(select(*columns).where(sessions.c.digest == digest(session_id)))).one_or_none()
    return None if row is None else Session(*row)


async def is_live(connection: AsyncConnection, session_id: str) -> bool:
    """Whether what tokens call ``session_id`` has not been ended."""
    kind, number = session_id[:1], session_id[1:]
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        return False
    if kind == "s":
        query = select(sessions.c.id).where(sessions.c.id == int(number))
    elif kind == "t":
        family = refresh_families.c
        query = select(family.id).where(family.id == int(number), family.revoked_at.is_(None))
    else:
        return False
    return (await connection.execute(query)).scalar() is not None


async def touch_session(connection: AsyncConnection, session_id: str, at: datetime) -> None:
    """Note that a session was used."""
    changed = update(sessions).where(sessions.c.digest == digest(session_id)).values(last_used_at=at)
    await connection.execute(changed)


async def end_session(connection: AsyncConnection, session_id: str) -> None:
    """Delete a session."""
    await connection.execute(delete(sessions).where(sessions.c.digest == digest(session_id)))


async def add_family(
    connection: AsyncConnection, user_id: int, *, at: datetime, expires_at: datetime, address: str, client: str
) -> int:
    """A new family of refresh tokens; returns its id."""
    values = {
        "user_id": user_id,
        "created_at": at,
        "expires_at": expires_at,
        "last_used_at": at,
        "address": address,
        "client": client,
    }
    return int((await connection.execute(insert(refresh_families).values(values))).lastrowid)


async def add_refresh_token(connection: AsyncConnection, family_id: int, *, at: datetime, expires_at: datetime) -> str:
    """A new token of a family; returns it, which is stored nowhere."""
    token = new_secret()
    values = {"digest": digest(token), "family_id": family_id, "created_at": at, "expires_at": expires_at}
    await connection.execute(insert(refresh_tokens).values(values))
    return token


async def lock_refresh_token(connection: AsyncConnection, token: str) -> RefreshToken | None:
    """The refresh token, which nobody else uses, and whose family nobody else changes, until the transaction ends."""
    query = (
        select(
            refresh_tokens.c.family_id,
            refresh_families.c.user_id,
            refresh_tokens.c.used_at,
            refresh_tokens.c.expires_at,
            refresh_families.c.expires_at,
            refresh_families.c.revoked_at,
        )
        .join(refresh_families, refresh_families.c.id == refresh_tokens.c.family_id)
        .where(refresh_tokens.c.digest == digest(token))
        .with_for_update()
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else RefreshToken(*row)


async def mark_used(connection: AsyncConnection, token: str, family_id: int, at: datetime) -> None:
    """Note that a refresh token was exchanged for another."""
    changed = update(refresh_tokens).where(refresh_tokens.c.digest == digest(token)).values(used_at=at)
    await connection.execute(changed)
    family = update(refresh_families).where(refresh_families.c.id == family_id).values(last_used_at=at)
    await connection.execute(family)


async def revoke_family(connection: AsyncConnection, family_id: int, at: datetime) -> None:
    """Make every token of a family worthless."""
    changed = update(refresh_families).where(refresh_families.c.id == family_id).values(revoked_at=at)
    await connection.execute(changed)


async def end_all_of(connection: AsyncConnection, user_id: int, at: datetime, *, but: str = "") -> None:
    """End every session of an account, and make its refresh tokens worthless, but those of one session."""
    kept = int(but[1:]) if but else 0
    browsers = sessions.c.user_id == user_id
    live = (refresh_families.c.user_id == user_id) & refresh_families.c.revoked_at.is_(None)
    if but.startswith("s"):
        browsers &= sessions.c.id != kept
    elif but.startswith("t"):
        live &= refresh_families.c.id != kept
    await connection.execute(delete(sessions).where(browsers))
    await connection.execute(update(refresh_families).where(live).values(revoked_at=at))


async def purge(connection: AsyncConnection, before: datetime) -> None:
    """Delete sessions and refresh tokens that ended before ``before``."""
    await connection.execute(delete(sessions).where(sessions.c.expires_at < before))
    await connection.execute(delete(refresh_families).where(refresh_families.c.expires_at < before))
