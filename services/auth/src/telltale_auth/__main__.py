"""Run auth: ``python -m telltale_auth``."""

from telltale_auth.app import create_app
from telltale_auth.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve("auth", create_app(settings), settings, settings.port)
