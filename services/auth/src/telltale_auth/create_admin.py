"""Make somebody an administrator: ``python -m telltale_auth.create_admin EMAIL``.

An existing account gets the role ADMIN and is activated. For a new one the password is asked for, or read from the
first line of standard input when that is not a terminal.
"""

import asyncio
import getpass
import sys
from argparse import ArgumentParser

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from telltale_auth.accounts import repository
from telltale_auth.accounts.schemas import Registration, normal_email
from telltale_auth.accounts.service import AccountService
from telltale_auth.audit.repository import SYSTEM
from telltale_auth.passwords import Passwords
from telltale_auth.schema import SCHEMA_VERSION
from telltale_auth.sessions.throttle import LoginThrottle
from telltale_auth.settings import AccountSettings
from telltale_shared.database import SchemaVersionMismatch, check_schema_version, create_engine
from telltale_shared.errors import InvalidRequest
from telltale_shared.security import Role
from telltale_shared.settings import load_settings


class _Refused(Exception):
    """Why nothing was done."""


def _ask_for_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != password:
        raise _Refused("the passwords differ")
    return password


def _registration(email: str) -> Registration:
    try:
        return Registration.model_validate({"email": email, "password": _ask_for_password()})
    except ValidationError as error:
        raise _Refused("; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())) from error


async def _run(email: str, settings: AccountSettings) -> str:
    engine = create_engine(settings.database_url, settings.database_password.get_secret_value(), pool_size=1)
    passwords = Passwords(cost=settings.bcrypt_cost, threads=1)
    try:
        await check_schema_version(engine, SCHEMA_VERSION)
        accounts = AccountService(engine, passwords, LoginThrottle(engine))
        async with engine.connect() as connection:
            existing = await repository.by_email(connection, email)
        if existing is not None:
            await accounts.change(existing.id, role=Role.ADMIN, is_active=True, origin=SYSTEM)
            return f"{email} is an administrator; the password stays as it was"
        wanted = _registration(email)
        await accounts.register(
            email=wanted.email,
            name=wanted.name,
            password=wanted.password.get_secret_value(),
            role=Role.ADMIN,
            origin=SYSTEM,
        )
        return f"{email} is an administrator"
    finally:
        passwords.close()
        await engine.dispose()


def main() -> None:
    """The command."""
    parser = ArgumentParser(prog="python -m telltale_auth.create_admin", description="Make somebody an administrator.")
    parser.add_argument("email", metavar="EMAIL")
    email = parser.parse_args().email
    try:
        done = asyncio.run(_run(normal_email(email), load_settings(AccountSettings)))
    except InvalidRequest as error:
        sys.exit(f"nothing was changed: {'; '.join(f'{one.field}: {one.message}' for one in error.errors)}")
    except (_Refused, ValueError, SchemaVersionMismatch, DBAPIError) as error:
        sys.exit(f"nothing was changed: {error}")
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main()
