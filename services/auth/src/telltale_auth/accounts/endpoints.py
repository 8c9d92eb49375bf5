"""Registration, one's own account, and the accounts of all others."""

from fastapi import APIRouter, Response

from telltale_auth.accounts import repository
from telltale_auth.accounts.schemas import (
    OwnChange,
    PasswordChange,
    Registered,
    Registration,
    RegistrationPolicy,
    User,
    UserChange,
)
from telltale_auth.dependencies import Accounts, Caller, Database, TheSettings, Visitor
from telltale_auth.lists import Search, UserId
from telltale_shared.errors import Forbidden, Unauthenticated
from telltale_shared.lists import Cursor, Limit, Page, cursor_after, key_of
from telltale_shared.security import Admin, Person

router = APIRouter(prefix="/api/v1")


@router.post("/auth/register", status_code=202, tags=["sign in"], summary="Create an account with the role VIEWER")
async def register(body: Registration, accounts: Accounts, origin: Visitor, settings: TheSettings) -> Registered:
    """Answers the same, and as late, when the address has an account already: nobody learns here who has one."""
    if not settings.registration:
        raise Forbidden("nobody can register here; ask an administrator for an account")
    password = body.password.get_secret_value()
    await accounts.register(email=body.email, name=body.name, password=password, origin=origin)
    return Registered(email=body.email)


@router.get("/auth/registration", tags=["sign in"], summary="May anybody register here?")
async def read_registration_policy(settings: TheSettings) -> RegistrationPolicy:
    return RegistrationPolicy(is_open=settings.registration)


@router.get("/auth/me", tags=["own account"], summary="Who am I?")
async def read_me(me: Person, database: Database) -> User:
    async with database.connect() as connection:
        account = await repository.by_id(connection, int(me.user_id))
    if account is None:
        raise Unauthenticated("this account does not exist any more")
    return User.model_validate(account)


@router.patch("/auth/me", tags=["own account"], summary="Change my name")
async def change_me(body: OwnChange, me: Person, accounts: Accounts, origin: Caller) -> User:
    return User.model_validate(await accounts.rename(int(me.user_id), body.name, origin))


@router.post("/auth/password", status_code=204, tags=["own account"], summary="Change my password")
async def change_password(body: PasswordChange, me: Person, accounts: Accounts, origin: Caller) -> Response:
    """Signs out every other session, and every access token; the session that asks stays."""
    await accounts.change_password(
        int(me.user_id),
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
        kept_session=me.session_id,
        origin=origin,
    )
    return Response(status_code=204)


@router.get("/users", tags=["users"], summary="All accounts, by e-mail address")
async def list_users(
    _: Admin, database: Database, search: Search = "", limit: Limit = 50, cursor: Cursor = None
) -> Page[User]:
    async with database.connect() as connection:
        found, total = await repository.page(connection, search=search, after_email=key_of(cursor), limit=limit + 1)
    items = [User.model_validate(account) for account in found[:limit]]
    return Page(items=items, next_cursor=cursor_after(items[-1].email) if len(found) > limit else None, total=total)


@router.patch("/users/{id}", tags=["users"], summary="Change an account's role, or (de)activate it")
async def change_user(id: UserId, body: UserChange, _: Admin, accounts: Accounts, origin: Caller) -> User:  # noqa: A002 - as in the path
    return User.model_validate(await accounts.change(id, role=body.role, is_active=body.is_active, origin=origin))
