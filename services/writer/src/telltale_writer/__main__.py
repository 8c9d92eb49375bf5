"""Run the writer: ``python -m telltale_writer``."""

from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings
from telltale_writer.app import create_app
from telltale_writer.settings import Settings


def main() -> None:
    """Load the settings, build the app, serve it."""
    settings = load_settings(Settings)
    serve("writer", create_app(settings), settings, settings.port)


if __name__ == "__main__":
    main()
