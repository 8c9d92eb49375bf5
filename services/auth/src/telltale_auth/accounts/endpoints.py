"""Registration, one's own account, and the accounts of all others."""

from typing import Annotated

from fastapi import APIRouter, Path

from telltale_auth.accounts import repository
from telltale_auth.accounts.schemas import OwnChange, Registration, User, UserChange
from telltale_auth.dependencies import Accounts, Caller, Database, Visitor
from telltale_auth.lists import Cursor, Limit, Page, Search, cursor_after, key_of
from telltale_shared.errors import Unauthenticated
from telltale_shared.security import Admin, Viewer

router = APIRouter(prefix="/api/v1")

UserId = Annotated[int, Path(ge=1, lt=2**32, description="`id` of the account.")]


@router.post("/auth/register", status_code=201, tags=["sign in"], summary="Create an account with the role VIEWER")
async def register(body: Registration, accounts: Accounts, origin: Visitor) -> User:
    account = await accounts.create(
        email=body.email, name=body.name, password=body.password.get_secret_value(), origin=origin
    )
    return User.model_validate(account)


@router.get("/auth/me", tags=["own account"], summary="Who am I?")
async def read_me(me: Viewer, database: Database) -> User:
    async with database.connect() as connection:
        account = await repository.by_id(connection, int(me.user_id))
    if account is None:
        raise Unauthenticated("this account does not exist any more")
    return User.model_validate(account)


@router.patch("/auth/me", tags=["own account"], summary="Change my name")
async def change_me(body: OwnChange, me: Viewer, accounts: Accounts, origin: Caller) -> User:
    return User.model_validate(await accounts.rename(int(me.user_id), body.name, origin))


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
