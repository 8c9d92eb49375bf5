"""Migrating: begun again wherever it was interrupted, and beside the services of the version before."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import text

from telltale_alerts.schema import SCHEMA_VERSION
from telltale_shared.database import check_schema_version, create_engine
from telltale_shared.testing import Access, Servers
from telltale_shared.testing_migrations import described, upgrade, upgrade_in_pieces

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

VERSION_BEFORE = "2026_11_24_alerts"
_RUN = (
    "import sys; from alembic import command; from alembic.config import Config; c = Config();"
    " c.set_main_option('script_location', 'telltale_alerts:migrations'); getattr(command, sys.argv[1])(c, sys.argv[2])"
)


def _migrate(access: Access, direction: str, version: str) -> None:
    environment = {
        **os.environ,
        "ALERTS_MIGRATION_DATABASE_URL": access.url,
        "ALERTS_MIGRATION_DATABASE_PASSWORD": access.password,
    }
    subprocess.run([sys.executable, "-c", _RUN, direction, version], env=environment, check=True, timeout=300)


def test_interrupted_migrations_are_repeated(servers: Servers, new_database: Callable[[], Access]) -> None:
    whole, pieces = new_database(), new_database()
    upgrade("alerts", whole)
    assert upgrade_in_pieces("alerts", pieces) > 10
    assert described(servers, pieces) == described(servers, whole)


async def test_keys_of_deliveries_are_added_also_after_a_first_try_and_serve_the_version_before(
    new_database: Callable[[], Access],
) -> None:
    access = new_database()
    _migrate(access, "upgrade", VERSION_BEFORE)
    engine = create_engine(access.url, access.password)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE deliveries ADD KEY webhook_due (webhook_id, state, next_at)"))
    _migrate(access, "upgrade", "head")
    await check_schema_version(engine, SCHEMA_VERSION)
    await check_schema_version(engine, VERSION_BEFORE)
    _migrate(access, "downgrade", VERSION_BEFORE)
    _migrate(access, "upgrade", "head")
    async with engine.connect() as connection:
        keys = {row.Key_name for row in await connection.execute(text("SHOW KEYS FROM deliveries"))}
    await engine.dispose()
    assert keys == {"PRIMARY", "due", "webhook", "webhook_due", "alert"}
