"""What may be done to accounts, and what follows from it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.accounts import repository
from telltale_auth.accounts.repository import Account
from telltale_auth.audit import repository as audit
from telltale_auth.audit.repository import Origin
from telltale_auth.outbox import revoke_account
from telltale_auth.passwords import Passwords
from telltale_auth.schema import utc_now
from telltale_auth.sessions import repository as sessions
from telltale_auth.sessions.throttle import LoginThrottle
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, FieldError, InvalidRequest, NotFound
from telltale_shared.security import Role


class _LastAdministrator(Conflict):
    """A change that would leave no active administrator; knows what the audit says of it."""

    def __init__(self, email: str, action: str, differences: Mapping[str, Any]) -> None:
        super().__init__("this is the last active administrator; make somebody else one first")
        self.email = email
        self.action = action
        self.differences = differences


class AccountService:
    """Creates and changes accounts; every change is audited in its own transaction."""

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

    async def exists(self, email: str) -> bool:
        """Whether there is an account with this address."""
        async with self._engine.connect() as connection:
            return await repository.by_email(connection, email) is not None

    async def register(self, *, email: str, name: str, password: str, origin: Origin, role: Role = Role.VIEWER) -> bool:
        """Create an account for a person; False when the address has one already, which takes the same time.

        Raises:
            TooManyRequests: too many registrations from one address, or too many people at once.
            InvalidRequest: the password is too easy to guess.
        """
        if origin != audit.SYSTEM:
            self._passwords.refuse_if_full()
            await self._throttle.begin_registration(origin.address)
        await self._refuse_weak(password, email=email, name=name, field="password")
        try:
            await self.create(email=email, name=name, password=password, role=role, origin=origin)
        except Conflict:
            await self._record_refusal("user.created", email, origin)
            return False
        return True

    async def create(
        self,
        *,
        email: str,
        name: str,
        password: str,
        origin: Origin,
        role: Role = Role.VIEWER,
        is_demo: bool = False,
    ) -> Account:
        """A new account.

        Raises:
            Conflict: the address has one already.
        """
        password_hash = await self._passwords.hash(password)

        async def work(connection: AsyncConnection) -> Account:
            now = self._clock()
            account = await repository.add(
                connection,
                email=email,
                name=name or email.partition("@")[0][:100],
                role=role,
                password_hash=password_hash,
                at=now,
                is_demo=is_demo,
            )
            detail = {"role": role.value, "is_demo": is_demo}
            await audit.record(connection, origin, "user.created", at=now, target=email, detail=detail)
            return account

        try:
            return await in_transaction(self._engine, work)
        except IntegrityError as error:
            raise Conflict("this e-mail address has an account already; sign in instead") from error

    async def change_password(self, user_id: int, *, current: str, new: str, kept_session: str, origin: Origin) -> None:
        """Give an account another password; ends its sessions but ``kept_session``, and outdates its tokens.

        Raises:
            InvalidRequest: ``current`` is wrong, or ``new`` is too easy to guess.
            TooManyRequests: too many wrong attempts.
        """
        async with self._engine.connect() as connection:
            account = await repository.by_id(connection, user_id)
        if account is None:
            raise NotFound("there is no such account")
        await self._throttle.begin(account.email, origin.address)
        if not await self._passwords.matches(current, account.password_hash):
            await self._record_refusal("user.password_changed", account.email, origin)
            wrong = FieldError(field="current_password", message="this is not the password")
            raise InvalidRequest("check current_password", errors=[wrong])
        await self._throttle.succeeded(account.email, origin.address)
        await self._refuse_weak(new, email=account.email, name=account.name, field="new_password")
        password_hash = await self._passwords.hash(new)

        async def work(connection: AsyncConnection) -> None:
            locked = await _existing(connection, user_id)
            if locked.password_hash != account.password_hash:
                raise Conflict("the password has been changed meanwhile")
            version, now = locked.token_version + 1, self._clock()
            await repository.change(connection, user_id, password_hash=password_hash, token_version=version)
            await sessions.end_all_of(connection, user_id, now, but=kept_session)
            await revoke_account(connection, user_id, before_version=version)
            await audit.record(connection, origin, "user.password_changed", at=now, target=locked.email)

        await in_transaction(self._engine, work)
        self._revoked()

    async def _record_refusal(
        self, action: str, email: str, origin: Origin, detail: Mapping[str, Any] | None = None
    ) -> None:
        await in_transaction(
            self._engine,
            lambda connection: audit.record(
                connection, origin, action, at=self._clock(), target=email, detail=detail, outcome=audit.REFUSED
            ),
        )

    async def _refuse_weak(self, password: str, *, email: str, name: str, field: str) -> None:
        problem = await self._passwords.weakness(password, about=[email, *email.partition("@")[::2], name])
        if problem is not None:
            raise InvalidRequest(f"check {field}", errors=[FieldError(field=field, message=problem)])

    async def rename(self, user_id: int, name: str, origin: Origin) -> Account:
        """Give an account another display name."""

        async def work(connection: AsyncConnection) -> Account:
            before = await _existing(connection, user_id)
            if before.name == name:
                return before
            await repository.change(connection, user_id, name=name)
            detail = {"name": {"from": before.name, "to": name}}
            await audit.record(connection, origin, "user.renamed", at=self._clock(), target=before.email, detail=detail)
            return await _existing(connection, user_id)

        return await in_transaction(self._engine, work)

    async def change(self, user_id: int, *, role: Role | None, is_active: bool | None, origin: Origin) -> Account:
        """Give an account another role, or (de)activate it; either ends its sessions and outdates its tokens.

        Raises:
            NotFound: there is no such account.
            Conflict: it would leave no active administrator.
        """

        async def work(connection: AsyncConnection) -> Account:
            # Always before the account itself: two administrators who demote each other wait here, so the second one
            # sees what the first one did.
            administrators = await repository.lock_administrators(connection)
            before = await _existing(connection, user_id)
            wanted: dict[str, str | bool] = {}
            if role is not None and role is not before.role:
                wanted["role"] = role.value
            if is_active is not None and is_active is not before.is_active:
                wanted["is_active"] = is_active
            if not wanted:
                return before
            stays_administrator = (role or before.role) is Role.ADMIN and is_active is not False
            if administrators == {user_id} and not stays_administrator:
                raise _LastAdministrator(before.email, _action(wanted), _differences(before, wanted))
            version = before.token_version + 1
            await repository.change(connection, user_id, **wanted, token_version=version)
            await revoke_account(connection, user_id, before_version=version)
            now = self._clock()
            await sessions.end_all_of(connection, user_id, now)
            detail = _differences(before, wanted)
            await audit.record(connection, origin, _action(wanted), at=now, target=before.email, detail=detail)
            return await _existing(connection, user_id)

        try:
            changed = await in_transaction(self._engine, work)
        except _LastAdministrator as refused:
            await self._record_refusal(refused.action, refused.email, origin, refused.differences)
            raise
        self._revoked()
        return changed

    async def remove_demo_accounts(self) -> int:
        """Delete the accounts whose password everybody knows; return how many there were."""

        async def work(connection: AsyncConnection) -> int:
            accounts = await repository.demo_accounts(connection)
            for account in accounts:
                await repository.remove(connection, account.id)
                await revoke_account(connection, account.id, before_version=account.token_version + 1)
                await audit.record(connection, audit.SYSTEM, "user.deleted", at=self._clock(), target=account.email)
            return len(accounts)

        return await in_transaction(self._engine, work)


async def _existing(connection: AsyncConnection, user_id: int) -> Account:
    account = await repository.by_id(connection, user_id, lock=True)
    if account is None:
        raise NotFound("there is no such account")
    return account


def _differences(before: Account, wanted: Mapping[str, str | bool]) -> dict[str, Any]:
    return {name: {"from": getattr(before, name), "to": value} for name, value in wanted.items()}


def _action(wanted: Mapping[str, str | bool]) -> str:
    if "role" in wanted:
        return "user.role_changed"
    return "user.activated" if wanted["is_active"] else "user.deactivated"
