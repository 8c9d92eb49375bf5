"""Writing down who asked for what the role does not allow."""

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_auth.audit import repository as audit
from telltale_auth.audit.repository import Origin
from telltale_auth.schema import utc_now
from telltale_shared.database import in_transaction

log = structlog.get_logger("telltale.auth")

PERIOD = 60.0
"""Seconds in which one account's refusals of one kind are one row, so that nobody can fill the audit."""
REMEMBERED = 10_000


class Refusals:
    """Records refused requests of people and machines that are signed in.

    Each row says how many of its kind were refused since the one before.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._seen: OrderedDict[tuple[int | None, str], tuple[float, int]] = OrderedDict()
        """When an account was last recorded for asking for something, and how often it has asked since."""

    async def record(self, origin: Origin, asked: str, reason: str) -> None:
        """Add a row, or count; an audit that cannot be written changes nothing for whoever was refused.

        Args:
            origin: who asked.
            asked: method and path of the route, without what identifies the request: ``PATCH /api/v1/users/{id}``.
            reason: what the answer says.
        """
        now, key = self._clock(), (origin.actor_id, asked)
        at, unwritten = self._seen.pop(key, (float("-inf"), 0))
        if now - at < PERIOD:
            self._seen[key] = at, unwritten + 1
            return
        self._seen[key] = now, 0
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        detail = {"request": asked, "reason": reason, "more_since_the_last": unwritten}
        try:
            await in_transaction(
                self._engine,
                lambda connection: audit.record(
                    connection, origin, "access.refused", at=utc_now(), target="", detail=detail, outcome=audit.REFUSED
                ),
            )
        except (SQLAlchemyError, OSError) as error:
            log.warning("a refusal is not in the audit", request=asked, error=str(error)[:200])
