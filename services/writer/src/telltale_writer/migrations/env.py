"""Where Alembic meets the database: the writer's migration account, over the same driver as the services."""

from alembic import context

from telltale_shared.migrating import run_migrations
from telltale_shared.settings import load_settings
from telltale_writer.settings import MigrationSettings

settings = load_settings(MigrationSettings)
run_migrations(context, settings.migration_database_url, settings.migration_database_password.get_secret_value())
