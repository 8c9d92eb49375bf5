"""Run the gateway: ``python -m telltale_gateway``."""

from telltale_gateway.app import create_app
from telltale_gateway.protocol import PING_SECONDS, StreamProtocol
from telltale_gateway.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(Settings)
    serve(
        "gateway",
        create_app(settings),
        settings,
        settings.port,
        ws=StreamProtocol,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=settings.deflate,
    )
