"""What may be done with API keys."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.accounts import repository as accounts
from telltale_auth.accounts.repository import Account
from telltale_auth.audit import repository as audit
from telltale_auth.audit.repository import Origin
from telltale_auth.keys import repository
from telltale_auth.keys.repository import StoredKey
from telltale_auth.keys.schemas import NewApiKey
from telltale_auth.outbox import revoke_session
from telltale_auth.schema import utc_now
from telltale_auth.sessions.repository import new_secret
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, Forbidden, NotFound, Unauthenticated
from telltale_shared.security import KEY_PREFIX, Role, Scope

MAX_KEYS = 20
"""Keys of one account that are not revoked."""
HINT_LENGTH = 8
NEEDS = {Scope.READ: Role.VIEWER, Scope.READINGS_WRITE: Role.USER}
"""The role that the owner of a key with this scope has."""


def token_session(number: int) -> str:
    """How tokens name the API key with this id."""
    return f"k{number}"


class KeyService:
    """Makes, lists and revokes keys, and exchanges them for access tokens."""

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

    async def create(self, user_id: int, wanted: NewApiKey, origin: Origin) -> tuple[StoredKey, str]:
        """A new key, and its secret, which is kept nowhere.

        Raises:
            Forbidden: the owner's own role does not allow a scope.
            Conflict: the account has too many keys.
        """
        secret = KEY_PREFIX + new_secret()

        async def work(connection: AsyncConnection) -> StoredKey:
            # Locked, so that several requests at once cannot exceed the limit.
            owner = await accounts.by_id(connection, user_id, lock=True)
            if owner is None or not owner.is_active:
                raise Unauthenticated("this account does not exist any more")
            for scope in wanted.scopes:
                if not owner.role.includes(NEEDS[scope]):
                    raise Forbidden(
                        f"a key with the scope {scope} needs the role {NEEDS[scope]}; yours is {owner.role}"
                    )
            if await repository.count_of(connection, user_id) >= MAX_KEYS:
                raise Conflict(f"an account has at most {MAX_KEYS} API keys; revoke one first")
            now = self._clock()
            key = await repository.add(
                connection,
                user_id,
                secret=secret,
                hint=secret[:HINT_LENGTH],
                name=wanted.name,
                scopes=wanted.scopes,
                at=now,
                expires_at=now + timedelta(days=wanted.expires_in_days),
            )
            await self._record(connection, origin, "api_key.created", owner, key)
            return key

        return await in_transaction(self._engine, work), secret

    async def of(self, user_id: int) -> list[StoredKey]:
        """The account's keys, newest first."""
        async with self._engine.connect() as connection:
            return await repository.of_account(connection, user_id)

    async def revoke(self, user_id: int, key_id: int, origin: Origin) -> None:
        """Make a key of the account worthless, in every service within a second.

        Raises:
            NotFound: there is no such key.
        """

        async def work(connection: AsyncConnection) -> None:
            found = [key for key in await repository.of_account(connection, user_id) if key.id == key_id]
            owner = await accounts.by_id(connection, user_id)
            if not found or owner is None or not await repository.revoke(connection, user_id, key_id, self._clock()):
                raise NotFound("there is no such API key")
            await revoke_session(connection, user_id, token_session(key_id))
            await self._record(connection, origin, "api_key.revoked", owner, found[0])

        await in_transaction(self._engine, work)
        self._revoked()

    async def exchange(self, secret: str) -> tuple[StoredKey, Account]:
        """The key with this secret, and its owner.

        Raises:
            Unauthenticated: unknown, expired or revoked, or its owner is not active.
        """

        async def work(connection: AsyncConnection) -> tuple[StoredKey, Account] | None:
            now = self._clock()
            key = await repository.by_secret(connection, secret, now)
            owner = None if key is None else await accounts.by_id(connection, key.user_id)
            if key is None or owner is None or not owner.is_active:
                return None
            await repository.touch(connection, key.id, now)
            return key, owner

        found = await in_transaction(self._engine, work)
        if found is None:
            raise Unauthenticated("this API key is not valid: unknown, expired or revoked")
        return found

    async def _record(
        self, connection: AsyncConnection, origin: Origin, action: str, owner: Account, key: StoredKey
    ) -> None:
        detail = {"key": str(key.id), "name": key.name, "scopes": " ".join(key.scopes)}
        await audit.record(connection, origin, action, at=self._clock(), target=owner.email, detail=detail)
