"""The settings of the UI's server."""

from functools import cache

from pydantic import Field

from telltale_shared.settings import ServiceSettings, load_settings


class UiSettings(ServiceSettings):
    """Where the UI listens and where it finds the services it shows."""

    ui_port: int = Field(8501, validation_alias="UI_PORT", ge=1, le=65535)
    auth_url: str = Field("http://127.0.0.1:8001", validation_alias="AUTH_URL", pattern="^https?://")
    query_url: str = Field("http://127.0.0.1:8000", validation_alias="QUERY_URL", pattern="^https?://")
    generator_url: str = Field("http://127.0.0.1:8003", validation_alias="GENERATOR_URL", pattern="^https?://")
    alerts_url: str = Field("http://127.0.0.1:8006", validation_alias="ALERTS_URL", pattern="^https?://")
    gateway_port: int = Field(8002, validation_alias="GATEWAY_PORT", ge=1, le=65535)
    """The port at which a browser reaches the gateway, on the host name it used for the page."""
    gateway_url: str | None = Field(None, validation_alias="GATEWAY_URL", pattern="^(wss?|https?)://")
    """The gateway's whole public address, when a proxy serves it; ``None`` builds it from the page's host."""


@cache
def current_settings() -> UiSettings:
    """The settings of this process, read once: page scripts and routes run in the same one."""
    return load_settings(UiSettings)
