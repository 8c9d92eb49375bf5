"""The protocol of one WebSocket: who may speak, in which order, how fast, and how it ends."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import cast

import msgspec
import structlog
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from telltale_gateway import __version__, metrics
from telltale_gateway.clients import Clients, TooMany
from telltale_gateway.fanout import Fanout
from telltale_gateway.frames import frame_of
from telltale_gateway.hub import Subscription
from telltale_gateway.protocol import EXTENSION, StreamProtocol
from telltale_gateway.reprieve import Reprieve
from telltale_gateway.settings import Settings
from telltale_gateway.stall import StallWatch
from telltale_gateway.subscriber import Subscriber
from telltale_gateway.wire import Parcel
from telltale_shared.contracts.stream import Authenticate, ClientMessage, Hello, Subscribe
from telltale_shared.security import InvalidToken, KeysUnavailable, Principal, TokenVerifier

log = structlog.get_logger("telltale.gateway")

REASON_BYTES = 123
"""What a close frame has room for."""
MESSAGES_PER_SECOND = 2.0
MESSAGES_AT_ONCE = 20
"""A client may send so many messages in a burst, and then so many a second."""

ACCOUNT_CHANGED = "the account or its session has changed; sign in again"

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


class CloseCode(IntEnum):
    """Why the gateway ends a connection."""

    NOT_TEXT = 1003
    NOT_UNDERSTOOD = 1008
    TRY_AGAIN_LATER = 1013
    NOT_AUTHENTICATED = 4401
    ACCOUNT_CHANGED = 4403
    TOO_SLOW = 4408
    TOO_MANY = 4429


class Closing(Exception):
    """This connection ends, with a code and a reason for the client."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class Gateway:
    """What every connection works with."""

    settings: Settings
    fanout: Fanout
    subscriber: Subscriber
    clients: Clients
    verifier: TokenVerifier
    reprieve: Reprieve = field(default_factory=Reprieve)


def is_origin_allowed(websocket: WebSocket, allowed: list[str]) -> bool:
    """Whether the page that opened the socket may. Programs send no Origin, and need a token like anyone else."""
    origin = websocket.headers.get("origin")
    return origin is None or "*" in allowed or origin in allowed


async def serve_client(websocket: WebSocket, gateway: Gateway) -> None:
    """Serve one connection from its handshake to its end."""
    if not is_origin_allowed(websocket, gateway.settings.cors_origins):
        metrics.CLOSED.labels("origin").inc()
        await websocket.close()
        return
    await websocket.accept()
    await _Connection(websocket, gateway).run()


async def _close(websocket: WebSocket, closing: Closing) -> None:
    metrics.CLOSED.labels(str(int(closing.code))).inc()
    log.debug("connection closed", code=int(closing.code), reason=closing.reason)
    try:
        await websocket.close(closing.code, closing.reason)
    except (RuntimeError, WebSocketDisconnect):
        log.debug("the client had gone already")


class _Connection:
    def __init__(self, websocket: WebSocket, gateway: Gateway) -> None:
        self._websocket = websocket
        self._gateway = gateway
        self._socket = cast("StreamProtocol", websocket.scope["extensions"][EXTENSION]["socket"])
        self._principal: Principal | None = None
        self._ending: Closing | None = None
        self._unwatch: Callable[[], None] = _nothing
        self._session = asyncio.timeout(gateway.settings.authenticate_within)
        self._subscription: Subscription | None = None
        self._next_take: asyncio.Handle | None = None
        self._is_slow = False
        self._stall = StallWatch(self._unsent, gateway.settings.stall_seconds, self._on_stall)
        self._allowance = float(MESSAGES_AT_ONCE)
        self._allowance_at = time.monotonic()

    async def run(self) -> None:
        """Converse until somebody ends it, and clear up."""
        self._socket.on_pause, self._socket.on_resume = self._on_pause, self._on_resume
        self._socket.on_lost = self._unsubscribe
        self._gateway.clients.arrive(self, self._send_away)
        closing = None
        try:
            async with self._session:
                with self._gateway.reprieve.joined(self._prolong):
                    await self._listen()
        except TimeoutError:
            closing = self._ending or self._session_over()
        except Closing as error:
            closing = error
        except WebSocketDisconnect:
            log.debug("the client has gone")
        finally:
            self._clear_up()
        if closing is not None:
            await _close(self._websocket, closing)

    def _session_over(self) -> Closing:
        told = "not authenticated in time" if self._principal is None else "the session is over"
        return Closing(CloseCode.NOT_AUTHENTICATED, f"{told}; authenticate again")

    def _prolong(self, seconds: float) -> None:
        """Let a session that has begun last for so much longer, unless it is ending."""
        ends = asyncio.get_running_loop().time() + seconds
        if self._principal is not None and self._ending is None and not self._session.expired():
            self._session.reschedule(max(ends, self._session.when() or 0.0))

    def _end(self, closing: Closing) -> None:
        """End the conversation now, whatever is being waited for."""
        if self._ending is None and not self._session.expired():
            self._ending = closing
            self._session.reschedule(asyncio.get_running_loop().time())

    def _send_away(self) -> None:
        self._end(Closing(CloseCode.TOO_MANY, "too many others have yet to authenticate; try again"))

    def _clear_up(self) -> None:
        self._socket.on_pause = self._socket.on_resume = self._socket.on_lost = _nothing
        self._keeps_up()
        self._unsubscribe()
        self._unwatch()
        self._gateway.clients.leave(self, None if self._principal is None else self._principal.user_id)

    # --- what the client says

    async def _listen(self) -> None:
        settings = self._gateway.settings
        hello = Hello(
            service="gateway",
            version=__version__,
            authenticate_within=settings.authenticate_within,
            session_seconds=settings.session_seconds,
            history_seconds=settings.history_seconds,
        )
        self._socket.outlet.tell(Parcel([frame_of(hello)]))
        while True:
            match self._understand(await self._websocket.receive()):
                case Authenticate(token=token):
                    await self._authenticate(token)
                case Subscribe() as wish:
                    await self._subscribe(wish)

    def _understand(self, event: Message) -> ClientMessage:
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1006))
        text = event.get("text")
        if text is None:
            raise Closing(CloseCode.NOT_TEXT, "send text frames")
        self._spend_allowance()
        try:
            return _decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Closing(CloseCode.NOT_UNDERSTOOD, f"message not understood: {error}") from error

    def _spend_allowance(self) -> None:
        now = time.monotonic()
        earned = (now - self._allowance_at) * MESSAGES_PER_SECOND
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + earned) - 1
        self._allowance_at = now
        if self._allowance < 0:
            raise Closing(CloseCode.NOT_UNDERSTOOD, "too many messages")

    async def _authenticate(self, token: str) -> None:
        try:
            principal = await self._gateway.verifier.verify(token, kind="stream")
        except InvalidToken as error:
            raise Closing(CloseCode.NOT_AUTHENTICATED, f"not authenticated: {error}") from error
        except KeysUnavailable as error:
            raise Closing(CloseCode.TRY_AGAIN_LATER, "tokens cannot be verified right now; try again") from error
        if self._ending is not None:
            raise self._ending
        if self._principal is None:
            try:
                self._gateway.clients.enter(self, principal.user_id)
            except TooMany as error:
                raise Closing(CloseCode.TOO_MANY, str(error)) from error
        elif principal.user_id != self._principal.user_id:
            raise Closing(CloseCode.ACCOUNT_CHANGED, "this connection belongs to another account")
        self._principal = principal
        self._unwatch()
        self._unwatch = self._gateway.verifier.revocations.watch(principal.user_id, self._on_revocation)
        ends = asyncio.get_running_loop().time() + self._gateway.settings.session_seconds
        self._session.reschedule(ends)

    def _on_revocation(self) -> None:
        if self._principal is not None and self._gateway.verifier.revocations.covers(self._principal):
            self._end(Closing(CloseCode.ACCOUNT_CHANGED, ACCOUNT_CHANGED))

    async def _subscribe(self, wish: Subscribe) -> None:
        if self._principal is None:
            raise Closing(CloseCode.NOT_AUTHENTICATED, "authenticate first")
        await self._gateway.subscriber.settle(wish.after)
        self._unsubscribe()
        if not self._gateway.fanout.has_room(wish):
            raise Closing(CloseCode.TOO_MANY, "too many different subscriptions; try again later")
        if not self._socket.disconnected:
            self._subscription = self._gateway.fanout.subscribe(wish, self._socket.outlet)
            self._take()

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._gateway.fanout.unsubscribe(self._subscription)
            self._subscription = None

    # --- what the client is told

    def _take(self) -> None:
        """Write what the client has missed, a step at a time, so that the others get their turn in between."""
        if self._next_take is not None:
            self._next_take.cancel()
            self._next_take = None
        fanout = self._gateway.fanout
        if self._subscription is None or self._socket.is_paused or not fanout.is_behind(self._subscription):
            return
        self._socket.outlet.tell(fanout.take(self._subscription))
        if fanout.is_behind(self._subscription):
            self._next_take = asyncio.get_running_loop().call_soon(self._take)

    def _on_pause(self) -> None:
        """The client does not keep up: from here on it gets what it can take, not what the others get."""
        self._is_slow = True
        metrics.SLOW.inc()
        if self._subscription is not None:
            self._gateway.fanout.fall_out(self._subscription)
        self._stall.start()

    def _on_resume(self) -> None:
        self._keeps_up()
        self._take()

    def _keeps_up(self) -> None:
        if self._is_slow:
            self._is_slow = False
            metrics.SLOW.dec()
            self._stall.stop()

    def _unsent(self) -> int:
        return self._socket.outlet.unsent

    def _on_stall(self) -> None:
        self._end(Closing(CloseCode.TOO_SLOW, "nothing was read for too long"))


def _nothing() -> None:
    """Nobody is watched yet, and nobody listens any more."""
