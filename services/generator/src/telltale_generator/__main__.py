"""Run the generator: ``python -m telltale_generator``."""

from telltale_generator.app import create_app
from telltale_generator.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve(settings.name, create_app(settings), settings, settings.port)
