"""``python -m telltale_query``: serve the query interface."""

from telltale_query.app import create_app
from telltale_query.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

settings = load_settings(Settings)
serve("query", create_app(settings), settings, settings.port)
