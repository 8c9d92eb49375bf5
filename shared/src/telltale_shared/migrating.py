"""Migrations that go on beside running services: which code each schema serves, and locks that block nobody for long.

A database notes in ``schema_serves`` for which migrations its code may have been written. Every migration adds itself;
one that takes something away which earlier code needs removes the versions of that code. So a service of the version
before may also be started again after the migration, and one that would not work refuses to (see CONTRIBUTING.md).
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from telltale_shared.database import create_engine, error_number

log = structlog.get_logger("telltale.migrating")

LOCK_WAIT = 5
"""Seconds that a change of a table waits for those who read it: whoever comes after it waits as long."""
LOCK_WAIT_TIMEOUT = 1205
ATTEMPTS = 60
PAUSE = 1.0

_NOTES = "CREATE TABLE schema_serves (version VARCHAR(64) NOT NULL PRIMARY KEY) CHARACTER SET ascii"


def run_migrations(context: Any, url: str, password: str) -> None:
    """What an Alembic environment does: the migrations that ``context`` (``alembic.context``) was asked for.

    Args:
        context: knows which migrations, and in which direction.
        url: of the database, with an account that may change its structure; the driver is the services' own.
        password: of that account.
    """
    asyncio.run(_run(context, url, password))


async def _run(context: Any, url: str, password: str) -> None:
    def migrate(connection: Connection) -> None:
        context.configure(connection=connection, on_version_apply=note_version)
        # Before any version is noted: what makes a table commits what was noted so far.
        if not inspect(connection).has_table("schema_serves"):
            connection.execute(text(_NOTES))
        migrate_patiently(connection, partial(_in_transaction, context))

    engine = create_engine(url, password, statement_timeout=0)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    finally:
        await engine.dispose()


def _in_transaction(context: Any) -> None:
    with context.begin_transaction():
        context.run_migrations()


def note_version(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Alembic's ``on_version_apply``: keep ``schema_serves`` in step with each migration, up or down."""
    connection: Connection = ctx.connection
    change = "INSERT IGNORE INTO schema_serves" if step.is_upgrade else "DELETE FROM schema_serves WHERE version IN"
    values = "VALUES (:version)" if step.is_upgrade else "(:version)"
    for version in step.up_revision_ids if step.is_upgrade else step.source_revision_ids:
        connection.execute(text(f"{change} {values}"), {"version": version})


def migrate_patiently(connection: Connection, migrate: Callable[[], None]) -> None:
    """Run ``migrate`` on ``connection``, again and again when somebody reads a table for too long.

    Every migration can be repeated: the database commits each change of a table by itself.

    Raises:
        DBAPIError: anything else went wrong, or the table is never free.
    """
    connection.execute(text(f"SET SESSION lock_wait_timeout = {LOCK_WAIT}"))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            migrate()
        except DBAPIError as error:
            if error_number(error) != LOCK_WAIT_TIMEOUT or attempt == ATTEMPTS:
                raise
            log.warning("a table is in use; trying again", attempt=attempt)
            connection.rollback()
            time.sleep(PAUSE)
        else:
            return
