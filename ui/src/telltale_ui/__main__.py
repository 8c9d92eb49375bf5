"""Starts the UI: ``python -m telltale_ui``."""

from telltale_shared.logs import configure_logs
from telltale_ui.server import create_app, server_options
from telltale_ui.settings import current_settings


def main() -> None:
    """Serve until stopped."""
    settings = current_settings()
    configure_logs("ui", settings.log_level)
    create_app(settings).run(config=server_options(settings))


if __name__ == "__main__":
    main()
