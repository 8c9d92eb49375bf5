"""Refusing long bodies before they are read, as problem details like every other error."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: whoever reads a body of more than ``max_bytes`` gets an HTTP 413 raised.

    The paths in ``exempt`` look after themselves.

    FastAPI's own ``max_body_size`` answers in plain text, whatever the app's error handlers are.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._exempt = frozenset(exempt)
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        left = self._max_bytes

        async def receive_within_limit() -> Message:
            nonlocal left
            if announced.isdecimal() and int(announced) > self._max_bytes:
                raise self._too_large()
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        await self._app(scope, receive_within_limit, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"Body too large: at most {self._max_bytes:,} bytes are taken")
