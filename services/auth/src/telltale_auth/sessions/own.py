"""Looking at the sessions of an account, and ending them: one, or all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, func, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.accounts import repository as accounts
from telltale_auth.audit import repository as audit
from telltale_auth.audit.repository import Origin
from telltale_auth.outbox import revoke_account, revoke_session
from telltale_auth.schema import refresh_families, sessions, utc_now
from telltale_auth.sessions.repository import end_all_of
from telltale_auth.sessions.service import REFRESH_IDLE, SESSION_IDLE
from telltale_shared.database import in_transaction
from telltale_shared.errors import NotFound

LISTED = 200
"""Sessions shown at most, those used last first."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser that is signed in, or an API client with refresh tokens."""

    id: str
    kind: Literal["browser", "client"]
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    client: str


class OwnSessions:
    """The open sessions of one account at a time."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        revoked: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = engine
        self._revoked = revoked
        self._clock = clock

    async def of(self, user_id: int) -> list[OpenSession]:
        """The account's open sessions, those used last first."""
        now, family = self._clock(), refresh_families.c
        family_used_at = func.coalesce(family.last_used_at, family.created_at)
        browsers = select(
            literal("browser").label("kind"), sessions.c.id, sessions.c.created_at,
            sessions.c.last_used_at.label("last_used_at"), sessions.c.expires_at, sessions.c.address, sessions.c.client,
        ).where(
            sessions.c.user_id == user_id, sessions.c.expires_at > now, sessions.c.last_used_at > now - SESSION_IDLE
        )  # fmt: skip
        clients = select(
            literal("client").label("kind"), family.id, family.created_at,
            family_used_at, family.expires_at, family.address, family.client,
        ).where(
            family.user_id == user_id, family.expires_at > now, family_used_at > now - REFRESH_IDLE,
            family.revoked_at.is_(None),
        )  # fmt: skip
        both = union_all(browsers, clients).subquery()
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(both).order_by(both.c.last_used_at.desc()).limit(LISTED))
            return [
                OpenSession(
                    id=f"{'s' if row.kind == 'browser' else 't'}{row.id}",
                    kind=row.kind,
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                    expires_at=row.expires_at,
                    address=row.address,
                    client=row.client,
                )
                for row in rows
            ]

    async def end(self, user_id: int, session_id: str, origin: Origin) -> None:
        """End one session of the account.

        Raises:
            NotFound: it is not open, or somebody else's.
        """

        async def work(connection: AsyncConnection) -> None:
            number, owner = int(session_id[1:]), await accounts.by_id(connection, user_id)
            if session_id.startswith("s"):
                of_user = (sessions.c.id == number) & (sessions.c.user_id == user_id)
                ended = await connection.execute(delete(sessions).where(of_user))
            else:
                family = refresh_families.c
                open_one = (family.id == number) & (family.user_id == user_id) & family.revoked_at.is_(None)
                ended = await connection.execute(
                    update(refresh_families).where(open_one).values(revoked_at=self._clock())
                )
            if not ended.rowcount or owner is None:
                raise NotFound("there is no such session; it may have ended already")
            await revoke_session(connection, user_id, session_id)
            detail = {"session": session_id}
            at = self._clock()
            await audit.record(connection, origin, "session.ended", at=at, target=owner.email, detail=detail)

        await in_transaction(self._engine, work)
        self._revoked()

    async def end_all(self, user_id: int, origin: Origin) -> None:
        """Sign the account out everywhere: sessions, refresh tokens and access tokens. API keys stay.

        Raises:
            NotFound: there is no such account.
        """

        async def work(connection: AsyncConnection) -> None:
            account = await accounts.by_id(connection, user_id, lock=True)
            if account is None:
                raise NotFound("there is no such account")
            version, at = account.token_version + 1, self._clock()
            await accounts.change(connection, user_id, token_version=version)
            await end_all_of(connection, user_id, at)
            await revoke_account(connection, user_id, before_version=version)
            await audit.record(connection, origin, "sessions.all_ended", at=at, target=account.email)

        await in_transaction(self._engine, work)
        self._revoked()
