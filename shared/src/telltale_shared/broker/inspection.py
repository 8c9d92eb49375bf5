"""Looking at queues without touching them: how many messages wait, and how many consumers take them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from telltale_shared.broker.connection import BrokerAddress, Link, honest_errors
from telltale_shared.topology import Topology


class InspectionFailed(Exception):
    """The broker did not answer; the text says why."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue as the broker sees it right now."""

    name: str
    messages: int
    """Ready to be delivered; those that a consumer holds unacknowledged are not counted."""
    consumers: int


class QueueInspector:
    """A connection that declares queues passively. Use as an async context manager; entering does not wait."""

    def __init__(self, address: BrokerAddress, topology: Topology, *, name: str) -> None:
        self._link = Link(address, topology, name=name)
        self._connection: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Why queues cannot be looked at right now, or None."""
        return self._link.problem

    async def __aenter__(self) -> "QueueInspector":
        self._task = asyncio.create_task(self._link.run(self._session), name="queue inspector")
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101 - entered before left
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def inspect(self, names: Sequence[str], *, patience: float = 2.0) -> list[QueueState]:
        """The state of each queue in ``names`` that exists.

        Args:
            names: of queues.
            patience: seconds for all of them.

        Raises:
            InspectionFailed: no connection, or no answer in time.
        """
        connection = self._connection
        if connection is None:
            raise InspectionFailed(self.problem or "not connected")
        try:
            with honest_errors():
                async with asyncio.timeout(patience):
                    return [state for name in names if (state := await _look(connection, name))]
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise InspectionFailed(f"no answer: {error or type(error).__name__}") from error

    async def _session(self, connection: AbstractConnection) -> None:
        self._connection = connection
        try:
            await asyncio.Event().wait()
        finally:
            self._connection = None


async def _look(connection: AbstractConnection, name: str) -> QueueState | None:
    # A channel each: the broker closes it when the queue does not exist.
    async with connection.channel() as channel:
        try:
            queue = await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return None
        result = queue.declaration_result
        return QueueState(name, result.message_count or 0, result.consumer_count or 0)
