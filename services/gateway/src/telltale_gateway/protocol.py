"""uvicorn's WebSocket protocol, made to write prepared frames, and to end when a client stops reading."""

import asyncio
from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request

from telltale_gateway.outlet import Outlet
from telltale_gateway.wire import WINDOW_BITS

EXTENSION = "telltale.frames"
"""The ASGI extension in which an app finds the :class:`StreamProtocol` of its connection, as ``socket``."""
PING_SECONDS = 20.0
"""Between two pings, and until an unanswered one ends the connection."""
CLOSE_GRACE = 2.0
"""Seconds that a client has to take what was sent before a close, and the close itself."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """Offers prepared frames, and closes for certain.

    As uvicorn has it, every message is framed for each connection, and a close waits until the client has read
    everything, and so for ever when it never reads.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.outlet: Outlet
        """To write prepared frames to the client, without asking ASGI."""
        self.on_pause: Callable[[], None] = _nothing
        """Called when the client takes less than it is sent: write nothing until :attr:`on_resume` is called."""
        self.on_resume: Callable[[], None] = _nothing
        self.on_lost: Callable[[], None] = _nothing
        """Called when the connection has ended: nothing may go to its outlet any more."""
        self._abort_timer: TimerHandle | None = None
        if self.config.ws_per_message_deflate:
            # No context is taken over, so that one compressed frame fits everyone.
            self.conn.available_extensions = [
                ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
            ]

    @property
    def is_paused(self) -> bool:
        """Whether something waits for the client."""
        return not self.writable.is_set()

    def connection_made(self, transport: BaseTransport) -> None:
        """Write through an outlet from now on."""
        self.outlet = Outlet(cast("asyncio.Transport", transport))
        super().connection_made(cast("BaseTransport", self.outlet))

    def handle_connect(self, event: Request) -> None:
        """Accept the handshake, and offer what is here to the app."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = {"socket": self}
            self.outlet.deflates = any(
                isinstance(one, PerMessageDeflate) and one.local_max_window_bits >= WINDOW_BITS
                for one in self.conn.extensions
            )

    def pause_writing(self) -> None:
        super().pause_writing()
        self.on_pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.on_resume()

    async def send(self, message: ASGISendEvent) -> None:
        """Send one ASGI event; a close is written at once, and the connection ends soon after it in any case.

        Raises:
            ClientDisconnected: the connection has ended, or is being closed.
        """
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
            self._end_soon()
        try:
            await super().send(message)
        except RuntimeError:
            if self.close_sent:
                raise ClientDisconnected from None
            raise
        if message["type"] == "websocket.accept":
            # Of thousands of connections the handshakes' headers would take a tenth of the memory.
            del self.request, self.response
            self.scope["headers"].clear()  # type: ignore[attr-defined]  # uvicorn made a list

    def keepalive_timeout(self) -> None:
        """End a connection whose client answers no ping."""
        super().keepalive_timeout()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the socket, and end the timer."""
        self.on_lost()
        self.outlet.release()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def _end_soon(self) -> None:
        if self._abort_timer is None:
            self._abort_timer = self.loop.call_later(CLOSE_GRACE, self.transport.abort)


def _nothing() -> None:
    """Nobody listens yet."""
