"""The demo accounts: with a password that everybody knows, and only where they are asked for."""

import structlog

from telltale_auth.accounts.service import AccountService
from telltale_auth.audit.repository import SYSTEM
from telltale_shared.errors import Conflict
from telltale_shared.security import Role

log = structlog.get_logger("telltale.demo")

PASSWORD = "Password123!"  # noqa: S105 - public on purpose
ACCOUNTS = {"admin": Role.ADMIN, "user": Role.USER, "viewer": Role.VIEWER}


async def settle_demo_accounts(accounts: AccountService, *, wanted: bool) -> None:
    """Create the demo accounts that are missing, or delete all of them when they are not wanted.

    An account that somebody registered under one of the addresses is left as it is.
    """
    if not wanted:
        removed = await accounts.remove_demo_accounts()
        if removed:
            log.warning("demo accounts deleted: DEMO_ACCOUNTS is not true", accounts=removed)
        return
    for name, role in ACCOUNTS.items():
        email = f"{name}@example.com"
        if await accounts.exists(email):
            continue
        try:
            await accounts.create(
                email=email,
                name=f"Demo {name}",
                password=PASSWORD,
                role=role,
                is_demo=True,
                origin=SYSTEM,
            )
        except Conflict:  # another copy of this service was faster
            continue
        log.info("demo account created", account=name)
