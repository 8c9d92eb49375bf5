"""Hearing of revocations: the identity stream, read from its last minutes on and then as it grows."""

import asyncio
import secrets
from contextlib import suppress

import structlog

from telltale_shared.broker import BrokerAddress, Link, Publisher, PublishFailed, StreamEvent, follow
from telltale_shared.contracts import MalformedMessage, Revocation, RevocationFence, decode_identity, encode, schema_of
from telltale_shared.security.revocations import REMEMBERED_SECONDS, Revocations
from telltale_shared.topology import IDENTITY_FENCES, IDENTITY_STREAM, Topology

log = structlog.get_logger("telltale.security")

START_PATIENCE = 2.0
"""Seconds that a starting service waits for what it missed. Without the broker it then starts all the same: a token's
own five minutes are the bound."""
FENCE_PERIOD = 1.0
"""Seconds after which a fence that was not read is sent again: a broker that is killed may lose it, and who begins to
read while the stream is made may miss it."""


class RevocationFeed:
    """Tells ``revocations`` what auth announces.

    A fence that it sends to itself shows when everything older has been read: the stream has no mark for its end.
    """

    def __init__(
        self, address: BrokerAddress, topology: Topology, publisher: Publisher, revocations: Revocations, *, name: str
    ) -> None:
        self._link = Link(address, topology, name=f"{name} revocations")
        self._publisher = publisher
        self._revocations = revocations
        self._fence = RevocationFence(reader=secrets.token_hex(8))
        self._caught_up = asyncio.Event()

    @property
    def problem(self) -> str | None:
        """Why revocations may arrive late right now, or None."""
        return self._link.problem or (None if self._caught_up.is_set() else "the last minutes have not been read yet")

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_fence())
            start = f"{int(REMEMBERED_SECONDS)}s"
            await follow(self._link, IDENTITY_STREAM, self._take, start=start)

    async def catch_up(self, patience: float = START_PATIENCE) -> None:
        """Wait until everything announced before has been read, or ``patience`` seconds have passed."""
        try:
            async with asyncio.timeout(patience):
                await self._caught_up.wait()
        except TimeoutError:
            log.warning("starting without the revocations of the last minutes", problem=self.problem)

    async def _send_fence(self) -> None:
        body, schema = encode(self._fence), schema_of(self._fence)
        while not self._caught_up.is_set():
            with suppress(PublishFailed):  # health tells of the broker; the next turn tries again
                await self._publisher.publish(IDENTITY_FENCES, body, schema=schema, persistent=False)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._caught_up.wait(), FENCE_PERIOD)

    async def _take(self, event: StreamEvent) -> None:
        try:
            message = decode_identity(event.body)
        except MalformedMessage as error:
            log.warning("a message of the identity stream is not understood", offset=event.offset, error=str(error))
            return
        match message:
            case Revocation():
                self._revocations.add(message)
            case RevocationFence():
                if message.reader == self._fence.reader:
                    self._caught_up.set()
