"""uvicorn's WebSocket protocol, which a client that stopped reading cannot hold open."""

from asyncio import TimerHandle

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

CLOSE_GRACE = 2.0
"""Seconds that a client has to take what was sent before a close, and the close itself."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """As uvicorn has it, a close waits until the client has read everything, and so for ever when it never reads."""

    _abort_timer: TimerHandle | None = None

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

    def keepalive_timeout(self) -> None:
        """End a connection whose client answers no ping."""
        super().keepalive_timeout()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the timer with the connection."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def _end_soon(self) -> None:
        if self._abort_timer is None:
            self._abort_timer = self.loop.call_later(CLOSE_GRACE, self.transport.abort)
