"""Where Alembic meets the database: the alerts service's migration account, over the same driver as the service."""

from alembic import context

from telltale_alerts.settings import MigrationSettings
from telltale_shared.migrating import run_migrations
from telltale_shared.settings import load_settings

settings = load_settings(MigrationSettings)
run_migrations(context, settings.migration_database_url, settings.migration_database_password.get_secret_value())
