"""What every answer tells a browser: take it as it says it is, frame it nowhere, keep it nowhere."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The content security policy of data: whatever it holds, it loads and runs nothing."""
SWAGGER = (
    "default-src 'none'; connect-src 'self'; img-src 'self' https://fastapi.tiangolo.com data:;"
    " script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'self' 'unsafe-inline'"
    " https://cdn.jsdelivr.net https://fonts.googleapis.com; font-src https://fonts.gstatic.com; worker-src blob:;"
    " frame-ancestors 'none'"
)
"""The policy of the pages that describe the interface, which come from FastAPI and load their scripts from its CDN."""
DOCS = ("/docs", "/redoc")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware that adds them, and leaves alone what an endpoint has said itself.

    Args:
        app: what answers.
        https_only: whether browsers shall come by HTTPS alone from now on (what they are told over HTTP is ignored).
    """

    def __init__(self, app: ASGIApp, *, https_only: bool) -> None:
        self._app = app
        self._headers = dict(HEADERS)
        if https_only:
            self._headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = SWAGGER if scope["path"].startswith(DOCS) else NOTHING

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
