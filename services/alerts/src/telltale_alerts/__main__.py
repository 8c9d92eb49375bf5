"""Run alerts: ``python -m telltale_alerts``."""

from telltale_alerts.app import create_app
from telltale_alerts.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve("alerts", create_app(settings), settings, settings.port)
