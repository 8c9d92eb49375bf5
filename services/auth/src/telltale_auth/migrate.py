"""Bring the database ``telltale_auth`` to the newest schema: ``python -m telltale_auth.migrate``. Safe to repeat."""

from alembic import command
from alembic.config import Config


def upgrade() -> None:
    """Run every migration that has not been run yet."""
    config = Config()
    config.set_main_option("script_location", "telltale_auth:migrations")
    command.upgrade(config, "head")


if __name__ == "__main__":
    upgrade()
