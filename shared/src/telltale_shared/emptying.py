"""Doing what waits in a table: at once when something may have come, and at every look."""

import asyncio
from abc import ABC, abstractmethod

import structlog
from sqlalchemy.exc import SQLAlchemyError

from telltale_shared.broker import PublishFailed

log = structlog.get_logger("telltale.emptying")

LOOK_PERIOD = 1.0
"""Seconds between looks for what another copy, or a command, has left; what this copy writes wakes it at once."""


class Emptier(ABC):
    """Empties a table for ever; what fails is tried again with a later look.

    Args:
        holds: what waits there, for the log.
    """

    def __init__(self, *, holds: str) -> None:
        self._holds = holds
        self._wake_up = asyncio.Event()

    def wake(self) -> None:
        """Something may have been committed: look now."""
        self._wake_up.set()

    async def run(self) -> None:
        """Empty it until cancelled."""
        while True:
            self._wake_up.clear()
            try:
                while await self._do_some():
                    pass
            except (PublishFailed, SQLAlchemyError, OSError) as error:
                log.warning("what waits is late", holds=self._holds, error=str(error)[:200])
                await asyncio.sleep(LOOK_PERIOD)
            try:
                async with asyncio.timeout(LOOK_PERIOD):
                    await self._wake_up.wait()
            except TimeoutError:
                continue

    @abstractmethod
    async def _do_some(self) -> bool:
        """Do some of what waits; tells whether there may be more."""
