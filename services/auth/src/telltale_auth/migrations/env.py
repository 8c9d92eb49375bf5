"""Where Alembic meets the database: auth's migration account, over the same driver as the service."""

import asyncio

from alembic import context
from sqlalchemy.engine import Connection

from telltale_auth.settings import MigrationSettings
from telltale_shared.database import create_engine
from telltale_shared.migrating import migrate_patiently, note_version
from telltale_shared.settings import load_settings


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, on_version_apply=note_version)

    def migrate() -> None:
        with context.begin_transaction():
            context.run_migrations()

    migrate_patiently(connection, migrate)


async def _run() -> None:
    settings = load_settings(MigrationSettings)
    engine = create_engine(
        settings.migration_database_url, settings.migration_database_password.get_secret_value(), statement_timeout=0
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())
