"""Signing in, staying signed in, and signing out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.accounts import repository as accounts
from telltale_auth.accounts.repository import Account
from telltale_auth.accounts.schemas import normal_email
from telltale_auth.audit import repository as audit
from telltale_auth.audit.repository import Origin
from telltale_auth.outbox import revoke_session
from telltale_auth.passwords import Passwords
from telltale_auth.schema import utc_now
from telltale_auth.sessions import repository
from telltale_auth.sessions.throttle import LoginThrottle
from telltale_shared.database import in_transaction
from telltale_shared.errors import TooManyRequests, Unauthenticated

log = structlog.get_logger("telltale.sessions")

SIGN_INS = Counter("telltale_auth_sign_ins", "Attempts to sign in whose password was compared", ["outcome"])
REUSED = Counter("telltale_auth_refresh_tokens_reused", "Families of refresh tokens ended because one was used again")

SESSION_LIFETIME = timedelta(days=7)
SESSION_IDLE = timedelta(hours=24)
"""A browser session that nobody used for this long has ended."""
TOUCH_AFTER = timedelta(minutes=1)
"""How old the note of a session's last use may get; saves a write on almost every call."""
FAMILY_LIFETIME = timedelta(days=30)
"""How long after signing in with a password the last refresh token of the family works."""
REFRESH_IDLE = timedelta(days=7)
REFRESH_GRACE = timedelta(seconds=10)
"""How long after its use a refresh token may be used again: two honest requests of one client may cross, or an answer
get lost. Later it is a sign that somebody has a copy, and the whole family ends."""
PURGE_PERIOD = 600.0


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An account, and what its owner stays signed in with."""

    account: Account
    session_id: str
    """What tokens call it; no secret."""
    secret: str = ""
    """The session's secret, or the next refresh token."""
    expires_at: datetime | None = None
    """When a browser session ends if it is not used again."""


Begin = Callable[[AsyncConnection, Account, datetime], Awaitable[tuple[str, str]]]
"""Starts what somebody stays signed in with; gives what tokens call it, and its secret."""


class SessionService:
    """Starts, continues and ends browser sessions and families of refresh tokens."""

    def __init__(
        self,
        engine: AsyncEngine,
        passwords: Passwords,
        throttle: LoginThrottle,
        *,
        revoked: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = engine
        self._passwords = passwords
        self._throttle = throttle
        self._revoked = revoked
        """Called after a transaction that left revocations in the outbox."""
        self._clock = clock

    async def start_session(self, email: str, password: str, origin: Origin, *, client: str = "") -> SignedIn:
        """Sign in a browser; the secret is the session's id.

        Raises:
            Unauthenticated: address or password is wrong, or the account is not active; not said which.
            TooManyRequests: too many failed attempts, or too many people at once.
        """

        async def begin(connection: AsyncConnection, account: Account, now: datetime) -> tuple[str, str]:
            expires_at = now + SESSION_LIFETIME
            number, secret = await repository.add_session(
                connection, account.id, at=now, expires_at=expires_at, address=origin.address, client=client
            )
            return repository.browser_session(number), secret

        return await self._sign_in(email, password, origin, "session.started", begin)

    async def start_family(self, email: str, password: str, origin: Origin, *, client: str = "") -> SignedIn:
        """Sign in an API client; the secret is its first refresh token. Raises like :meth:`start_session`."""

        async def begin(connection: AsyncConnection, account: Account, now: datetime) -> tuple[str, str]:
            expires_at = now + FAMILY_LIFETIME
            family = await repository.add_family(
                connection, account.id, at=now, expires_at=expires_at, address=origin.address, client=client
            )
            token = await repository.add_refresh_token(connection, family, at=now, expires_at=now + REFRESH_IDLE)
            return repository.client_session(family), token

        return await self._sign_in(email, password, origin, "tokens.issued", begin)

    async def _sign_in(
        self,
        email: str,
        password: str,
        origin: Origin,
        action: str,
        begin: Begin,
    ) -> SignedIn:
        try:
            address = normal_email(email)
        except ValueError:
            address = ""  # nobody's: goes on, so that it takes as long as any other
        self._passwords.refuse_if_full()
        await self._throttle.begin(address, origin.address)
        try:
            return await self._sign_in_as(address, password, origin, action, begin)
        except (TooManyRequests, SQLAlchemyError, OSError):
            await self._throttle.undo(address, origin.address)
            raise

    async def _sign_in_as(
        self,
        address: str,
        password: str,
        origin: Origin,
        action: str,
        begin: Begin,
    ) -> SignedIn:
        async with self._engine.connect() as connection:
            found = await accounts.by_email(connection, address)
        hashed = found.password_hash if found else None
        if not await self._passwords.matches(password, hashed):
            await self._refuse(address, origin)

        async def work(connection: AsyncConnection) -> SignedIn | None:
            account = await accounts.by_email(connection, address, lock=True)
            # Looked at again under the lock: it may have been changed while the password was compared.
            if account is None or not account.is_active or account.password_hash != hashed:
                return None
            now = self._clock()
            await accounts.change(connection, account.id, last_login_at=now)
            session_id, secret = await begin(connection, account, now)
            by_owner = Origin(account.id, origin.address, origin.request_id)
            await audit.record(connection, by_owner, action, at=now, target=account.email)
            return SignedIn(await accounts.by_id(connection, account.id) or account, session_id, secret)

        signed_in = await in_transaction(self._engine, work)
        if signed_in is None:
            await self._refuse(address, origin)
        await self._throttle.succeeded(address, origin.address)
        SIGN_INS.labels("accepted").inc()
        return signed_in

    async def _refuse(self, address: str, origin: Origin) -> NoReturn:
        SIGN_INS.labels("refused").inc()
        log.info("sign-in refused", address=origin.address)
        await in_transaction(
            self._engine,
            lambda connection: audit.record(
                connection, origin, "session.refused", at=self._clock(), target=address, outcome=audit.REFUSED
            ),
        )
        raise Unauthenticated("e-mail address or password is wrong")

    async def resume_session(self, secret: str) -> SignedIn:
        """Whose browser session this is.

        Raises:
            Unauthenticated: the session has ended.
        """

        async def work(connection: AsyncConnection) -> SignedIn | None:
            now = self._clock()
            session = await repository.session(connection, secret)
            if session is None or now >= min(session.expires_at, session.last_used_at + SESSION_IDLE):
                return None
            if now - session.last_used_at > TOUCH_AFTER:
                await repository.touch_session(connection, secret, now)
            account = await accounts.by_id(connection, session.user_id)
            if account is None or not account.is_active:
                return None
            expires_at = min(session.expires_at, now + SESSION_IDLE)
            return SignedIn(account, repository.browser_session(session.id), expires_at=expires_at)

        signed_in = await in_transaction(self._engine, work)
        if signed_in is None:
            raise Unauthenticated("this session has ended; sign in again")
        return signed_in

    async def end_session(self, secret: str, origin: Origin) -> None:
        """Sign out a browser; a session that has ended already is no error."""

        async def work(connection: AsyncConnection) -> None:
            session = await repository.session(connection, secret)
            if session is not None:
                await repository.end_session(connection, secret)
                await revoke_session(connection, session.user_id, repository.browser_session(session.id))
                await self._record_end(connection, session.user_id, origin, "session.ended")

        await in_transaction(self._engine, work)
        self._revoked()

    async def refresh(self, token: str, origin: Origin) -> SignedIn:
        """Exchange a refresh token for the next one of its family.

        A token that was used before, longer ago than a short grace, ends its family: somebody has a copy.

        Raises:
            Unauthenticated: unknown, expired, ended or used before.
        """

        async def work(connection: AsyncConnection) -> SignedIn | None:
            now = self._clock()
            found = await repository.lock_refresh_token(connection, token)
            if found is None or found.revoked_at is not None:
                return None
            if found.used_at is not None and now - found.used_at > REFRESH_GRACE:
                await self._end_family(connection, found, now)
                await self._record_end(connection, found.user_id, origin, "tokens.reuse_detected")
                REUSED.inc()
                log.warning("a refresh token was used again; its family is revoked", user_id=found.user_id)
                return None
            account = await accounts.by_id(connection, found.user_id)
            if account is None or not account.is_active or now >= min(found.expires_at, found.family_expires_at):
                return None
            if found.used_at is None:
                await repository.mark_used(connection, token, found.family_id, now)
            expires_at = min(now + REFRESH_IDLE, found.family_expires_at)
            following = await repository.add_refresh_token(connection, found.family_id, at=now, expires_at=expires_at)
            return SignedIn(account, repository.client_session(found.family_id), following)

        signed_in = await in_transaction(self._engine, work)
        if signed_in is None:
            self._revoked()
            raise Unauthenticated("this refresh token is not valid any more; sign in again")
        return signed_in

    async def end_family(self, token: str, origin: Origin) -> None:
        """Sign out an API client: every token of the family becomes worthless. An unknown token is no error."""

        async def work(connection: AsyncConnection) -> None:
            found = await repository.lock_refresh_token(connection, token)
            if found is not None and found.revoked_at is None:
                await self._end_family(connection, found, self._clock())
                await self._record_end(connection, found.user_id, origin, "tokens.ended")

        await in_transaction(self._engine, work)
        self._revoked()

    async def purge_for_ever(self) -> None:
        """Delete what has expired, every ten minutes, until cancelled."""
        while True:
            try:
                await in_transaction(self._engine, lambda connection: repository.purge(connection, self._clock()))
                await self._throttle.purge()
            except (SQLAlchemyError, OSError) as error:
                log.warning("expired sessions not deleted; tried again later", error=str(error)[:200])
            await asyncio.sleep(PURGE_PERIOD)

    async def _end_family(self, connection: AsyncConnection, token: repository.RefreshToken, now: datetime) -> None:
        await repository.revoke_family(connection, token.family_id, now)
        await revoke_session(connection, token.user_id, repository.client_session(token.family_id))

    async def _record_end(self, connection: AsyncConnection, user_id: int, origin: Origin, action: str) -> None:
        owner = await accounts.by_id(connection, user_id)
        target = owner.email if owner else ""
        await audit.record(connection, origin, action, at=self._clock(), target=target)
