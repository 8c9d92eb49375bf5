"""Bring ``telltale_alerts`` to the newest schema: ``python -m telltale_alerts.migrate``. Safe to repeat."""

from alembic import command
from alembic.config import Config


def upgrade() -> None:
    """Run every migration that has not been run yet."""
    config = Config()
    config.set_main_option("script_location", "telltale_alerts:migrations")
    command.upgrade(config, "head")


if __name__ == "__main__":
    upgrade()
