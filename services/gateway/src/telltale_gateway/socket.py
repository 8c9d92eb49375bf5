"""The protocol of one WebSocket: who may speak, in which order, how fast, and how it ends."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import msgspec
import structlog
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from telltale_gateway import __version__, metrics
from telltale_gateway.clients import Clients
from telltale_gateway.frames import Frame, frame_of
from telltale_gateway.hub import Hub, Subscription
from telltale_gateway.settings import Settings
from telltale_gateway.subscriber import Subscriber
from telltale_shared.contracts.stream import MAX_FPS, Authenticate, ClientMessage, Hello, Subscribe
from telltale_shared.security import InvalidToken, KeysUnavailable, Principal, TokenVerifier
from telltale_shared.system_events import now_us

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
    hub: Hub
    subscriber: Subscriber
    clients: Clients
    verifier: TokenVerifier


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
    if gateway.clients.is_full:
        await _close(websocket, Closing(CloseCode.TOO_MANY, "too many connections; try again later"))
        return
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
        self._principal: Principal | None = None
        self._is_revoked = False
        self._unwatch: Callable[[], None] = lambda: None
        self._session = asyncio.timeout(gateway.settings.authenticate_within)
        self._subscription: Subscription | None = None
        self._interval = 0.0
        self._wake_up = asyncio.Event()
        self._allowance = float(MESSAGES_AT_ONCE)
        self._allowance_at = time.monotonic()

    async def run(self) -> None:
        with self._gateway.clients.joined(self._wake_up):
            try:
                async with self._session:
                    await self._converse()
            except TimeoutError:
                if self._is_revoked:
                    await _close(self._websocket, Closing(CloseCode.ACCOUNT_CHANGED, ACCOUNT_CHANGED))
                    return
                told = "not authenticated in time" if self._principal is None else "the session is over"
                await _close(self._websocket, Closing(CloseCode.NOT_AUTHENTICATED, f"{told}; authenticate again"))
            except Closing as closing:
                await _close(self._websocket, closing)
            except WebSocketDisconnect:
                log.debug("the client has gone")
            finally:
                self._unwatch()
                self._replace_subscription(None)

    async def _converse(self) -> None:
        await self._hello()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._tell())
        except ExceptionGroup as ended:
            raise ended.exceptions[0] from None

    async def _hello(self) -> None:
        settings = self._gateway.settings
        hello = Hello(
            service="gateway",
            version=__version__,
            authenticate_within=settings.authenticate_within,
            session_seconds=settings.session_seconds,
            history_seconds=settings.history_seconds,
        )
        await self._send([frame_of(hello)])

    # --- what the client says

    async def _listen(self) -> None:
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
        if self._principal is not None and principal.user_id != self._principal.user_id:
            raise Closing(CloseCode.ACCOUNT_CHANGED, "this connection belongs to another account")
        self._principal = principal
        self._unwatch()
        self._unwatch = self._gateway.verifier.revocations.watch(principal.user_id, self._on_revocation)
        ends = asyncio.get_running_loop().time() + self._gateway.settings.session_seconds
        self._session.reschedule(ends)

    def _on_revocation(self) -> None:
        """End the session now if its token was revoked, whatever is being sent or waited for."""
        if self._principal is not None and self._gateway.verifier.revocations.covers(self._principal):
            self._is_revoked = True
            self._session.reschedule(asyncio.get_running_loop().time())

    async def _subscribe(self, wish: Subscribe) -> None:
        if self._principal is None:
            raise Closing(CloseCode.NOT_AUTHENTICATED, "authenticate first")
        await self._gateway.subscriber.settle(wish.after)
        self._interval = 0.0 if wish.max_fps == MAX_FPS else 1 / wish.max_fps
        self._replace_subscription(self._gateway.hub.subscribe(wish, now_us()))
        self._wake_up.set()

    def _replace_subscription(self, subscription: Subscription | None) -> None:
        if self._subscription is not None:
            self._gateway.hub.unsubscribe(self._subscription)
        self._subscription = subscription

    # --- what the client is told

    async def _tell(self) -> None:
        hub = self._gateway.hub
        while True:
            await self._wake_up.wait()
            self._wake_up.clear()
            while (subscription := self._subscription) is not None and hub.is_behind(subscription):
                was_catching_up = hub.is_catching_up(subscription)
                await self._send(self._take(subscription), of=subscription)
                if not was_catching_up:
                    break
                # Between two steps of a long history the others get their turn.
                await asyncio.sleep(0)
            if self._interval:
                await asyncio.sleep(self._interval)

    def _take(self, subscription: Subscription) -> list[Frame]:
        hub = self._gateway.hub
        dropped_before = hub.dropped
        frames = hub.take(subscription, now_us())
        metrics.DROPPED.inc(hub.dropped - dropped_before)
        return frames

    async def _send(self, frames: list[Frame], *, of: Subscription | None = None) -> None:
        """Send ``frames``; those of a subscription that was replaced meanwhile are left out."""
        for frame in frames:
            if of is not None and of is not self._subscription:
                return
            try:
                async with asyncio.timeout(self._gateway.settings.stall_seconds):
                    await self._websocket.send_text(frame.text)
            except TimeoutError:
                raise Closing(CloseCode.TOO_SLOW, "nothing was read for too long") from None
            metrics.FRAMES.inc()
