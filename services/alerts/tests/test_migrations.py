"""Migrating: begun again wherever it was interrupted, and beside the services of the version before."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from telltale_alerts.schema import SCHEMA_VERSION
from telltale_shared.database import check_schema_version, create_engine
from telltale_shared.testing import Access, Servers
from telltale_shared.testing_migrations import described, migrate, upgrade, upgrade_in_pieces

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

VERSION_BEFORE = "2026_11_24_alerts"


def test_interrupted_migrations_are_repeated(servers: Servers, new_database: Callable[[], Access]) -> None:
    whole, pieces = new_database(), new_database()
    upgrade("alerts", whole)
    assert upgrade_in_pieces("alerts", pieces) > 10
    assert described(servers, pieces) == described(servers, whole)


async def test_keys_of_deliveries_are_added_also_after_a_first_try_and_serve_the_version_before(
    new_database: Callable[[], Access],
) -> None:
    access = new_database()
    migrate("alerts", access, VERSION_BEFORE)
    engine = create_engine(access.url, access.password)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE deliveries ADD KEY webhook_due (webhook_id, state, next_at)"))
    migrate("alerts", access, "head")
    await check_schema_version(engine, SCHEMA_VERSION)
    await check_schema_version(engine, VERSION_BEFORE)
    migrate("alerts", access, VERSION_BEFORE, direction="downgrade")
    migrate("alerts", access, "head")
    async with engine.connect() as connection:
        keys = {row.Key_name for row in await connection.execute(text("SHOW KEYS FROM deliveries"))}
    await engine.dispose()
    assert keys == {"PRIMARY", "due", "webhook", "webhook_due", "alert"}
