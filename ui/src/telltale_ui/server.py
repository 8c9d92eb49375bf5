"""The UI's server: Streamlit's pages and our own routes in one ASGI application."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telltale_ui.api_client import ApiClient
from telltale_ui.feedback import show_unexpected
from telltale_ui.routes import create_routes
from telltale_ui.sessions import TICKETS
from telltale_ui.settings import UiSettings

SCRIPT = Path(__file__).parent / "app.py"
_EARLY = ("charts", "imports.picker", "inject", "judge", "live_chart", "records.dialogs", "session_bridge", "sign_in")

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; img-src 'self' data: blob:",
    ),
]


class SecurityHeaders:
    """ASGI middleware: headers that every response of the UI carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app(settings: UiSettings) -> st.App:
    """The whole UI, ready to be served."""
    api = ApiClient.from_settings(settings)

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        # The first visitor should not wait for imports; components can be registered only once the runtime is up.
        for module in _EARLY:
            importlib.import_module(f"telltale_ui.{module}")
        with closing(api):
            yield

    return st.App(
        SCRIPT,
        lifespan=lifespan,
        routes=create_routes(api, TICKETS),
        on_script_error=show_unexpected,
        middleware=[Middleware(SecurityHeaders)],
    )


def server_options(settings: UiSettings) -> dict[str, Any]:
    """Streamlit's own options that depend on our settings; the rest is in ``.streamlit/config.toml``."""
    return {"server.address": settings.bind_host, "server.port": settings.ui_port}
