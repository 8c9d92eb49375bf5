"""Revocations for every service, written with the change itself; :mod:`telltale_shared.outbox` publishes them."""

import time

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_auth.schema import outbox
from telltale_shared.contracts import Revocation, encode, schema_of
from telltale_shared.topology import IDENTITY_REVOCATIONS


async def revoke_account(connection: AsyncConnection, user_id: int, *, before_version: int) -> None:
    """Have every service refuse the account's tokens with a smaller version, once the transaction is committed."""
    await _put(connection, Revocation(user_id=str(user_id), before_version=before_version, at=_now_us()))


async def revoke_session(connection: AsyncConnection, user_id: int, session_id: str) -> None:
    """Have every service refuse the tokens of one session, once the transaction is committed."""
    await _put(connection, Revocation(user_id=str(user_id), session_id=session_id, at=_now_us()))


async def _put(connection: AsyncConnection, revocation: Revocation) -> None:
    values = {"routing_key": IDENTITY_REVOCATIONS, "type": schema_of(revocation), "body": encode(revocation)}
    await connection.execute(insert(outbox).values(values))


def _now_us() -> int:
    return time.time_ns() // 1_000
