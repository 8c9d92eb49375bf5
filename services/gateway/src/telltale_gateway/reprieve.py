"""Sessions outlast an outage of auth: nobody is sent away for not renewing what nobody can renew.

While auth, or its database, is away, no token is issued; but nobody loses a right either, and what was revoked before
has come over the stream. So a session that has begun goes on, for as long as the stream of revocations is read.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import structlog

log = structlog.get_logger("telltale.gateway")

PERIOD = 5.0
"""Seconds between two looks at auth."""
PATIENCE = 3.0
LONGEST = 3_600.0
"""Seconds of outage after which sessions end all the same."""

Prolong = Callable[[float], None]
"""Makes one session last for so many more seconds at least."""


class Reprieve:
    """The sessions that are there, and whether they can be renewed."""

    def __init__(self) -> None:
        self._sessions: set[Prolong] = set()
        self._away_since: float | None = None

    @contextmanager
    def joined(self, session: Prolong) -> Iterator[None]:
        """Count ``session`` among those there are, within the block."""
        self._sessions.add(session)
        try:
            yield
        finally:
            self._sessions.discard(session)

    async def run(
        self, auth_url: str, *, seconds: float, is_current: Callable[[], bool], period: float = PERIOD
    ) -> None:
        """Look after auth until cancelled.

        Args:
            auth_url: of the auth service.
            seconds: that a session goes on after a look that found auth away.
            is_current: whether revocations are being read.
            period: seconds between two looks.
        """
        async with httpx.AsyncClient(base_url=auth_url, timeout=PATIENCE) as http:
            while True:
                self._note(await _can_renew(http))
                if self._is_granted and is_current():
                    for prolong in list(self._sessions):
                        prolong(seconds)
                await asyncio.sleep(period)

    @property
    def _is_granted(self) -> bool:
        return self._away_since is not None and time.monotonic() - self._away_since < LONGEST

    def _note(self, can_renew: bool) -> None:
        if can_renew:
            if self._away_since is not None:
                log.info("auth is back")
            self._away_since = None
        elif self._away_since is None:
            # Before there are any, as while everything starts, nobody is touched.
            tell = log.warning if self._sessions else log.info
            tell("auth is away: sessions go on", sessions=len(self._sessions))
            self._away_since = time.monotonic()


async def _can_renew(http: httpx.AsyncClient) -> bool:
    """Whether auth issues tokens right now."""
    try:
        return (await http.get("/health/ready")).is_success
    except httpx.HTTPError:
        return False
