"""How often somebody may be wrong about a password. Delays grow and end: nobody is locked out for good.

Three counts stand side by side. One address that tries one account is slowed down soon. Many addresses that try one
account are slowed down later and less, so that they cannot keep its owner out; one address that tries many accounts
likewise. An unknown account is counted like an existing one.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.schema import utc_now
from telltale_auth.sessions import attempts
from telltale_shared.database import in_transaction
from telltale_shared.errors import TooManyRequests

FORGOTTEN_AFTER = timedelta(minutes=15)
"""Time without an attempt after which a count starts anew."""
REFUSALS_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Rule:
    """How a count slows its key down."""

    free: int
    """Failures without a delay."""
    longest: float
    """Seconds between attempts at most; the first delay is one second, each further one twice as long."""

    def delay(self, failures: int) -> float:
        """Seconds from the last failure to the next attempt."""
        over = failures - self.free
        return 0.0 if over < 0 else min(self.longest, 2.0 ** min(over, 30))


PAIR = Rule(free=10, longest=60.0)
ACCOUNT = Rule(free=50, longest=5.0)
ADDRESS = Rule(free=300, longest=30.0)
REGISTRATION = Rule(free=50, longest=60.0)


def _digest(*key: str) -> bytes:
    # Anything may have been typed for an address, at any length.
    return hashlib.sha256("\0".join(key).encode(errors="surrogatepass")).digest()


def _pair(email: str, address: str) -> bytes:
    return _digest("pair", email, address)


def _apart(email: str, address: str) -> dict[bytes, Rule]:
    return {_digest("account", email): ACCOUNT, _digest("address", address): ADDRESS}


def _signing_in(email: str, address: str) -> dict[bytes, Rule]:
    return {_pair(email, address): PAIR, **_apart(email, address)}


class LoginThrottle:
    """Counts attempts, each as failed until it is said to have succeeded: those at the same time are counted, too.

    The counts are in the database, so several copies of auth share them and a restart forgets none. Until when somebody
    is refused is remembered here as well: what a flood is told costs the database nothing.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._refused: OrderedDict[bytes, datetime] = OrderedDict()

    async def begin(self, email: str, address: str) -> None:
        """Let an attempt to sign in pass, and count it.

        Raises:
            TooManyRequests: this account or this address failed too often; says when to come back.
        """
        await self._begin(_signing_in(email, address))

    async def begin_registration(self, address: str) -> None:
        """Let a registration pass, and count it. Raises like :meth:`begin`."""
        await self._begin({_digest("registration", address): REGISTRATION})

    async def succeeded(self, email: str, address: str) -> None:
        """The attempt was right: forget what the account's owner got wrong here, and do not hold it against others."""

        async def work(connection: AsyncConnection) -> None:
            await attempts.forget(connection, [_pair(email, address)])
            await attempts.take_back(connection, _apart(email, address))

        await in_transaction(self._engine, work)

    async def undo(self, email: str, address: str) -> None:
        """The attempt came to nothing for a reason of ours: it counts neither as right nor as wrong.

        Without the database it stays counted, and is forgotten in a while like any other.
        """
        with suppress(SQLAlchemyError, OSError):
            await in_transaction(self._engine, lambda one: attempts.take_back(one, _signing_in(email, address)))

    async def purge(self) -> None:
        """Delete counts that are forgotten by now."""
        await in_transaction(self._engine, lambda one: attempts.purge(one, self._clock() - FORGOTTEN_AFTER))

    async def _begin(self, rules: dict[bytes, Rule]) -> None:
        now = self._clock()
        self._refuse({key: self._refused[key] for key in rules if key in self._refused}, now)
        anew_before = now - FORGOTTEN_AFTER

        async def work(connection: AsyncConnection) -> dict[bytes, datetime]:
            counts = await attempts.lock(connection, rules)
            delays = {key: rules[key].delay(count.failures) for key, count in counts.items() if count.at >= anew_before}
            # Where there is no delay, somebody else's attempt may be later than ours and yet hold up nobody.
            ends = {key: counts[key].at + timedelta(seconds=delay) for key, delay in delays.items() if delay}
            refused = {key: end for key, end in ends.items() if end > now}
            if not refused:
                await attempts.count(connection, rules, now, anew_before=anew_before)
            return refused

        refused = await in_transaction(self._engine, work)
        self._refused.update(refused)
        while len(self._refused) > REFUSALS_REMEMBERED:
            self._refused.popitem(last=False)
        self._refuse(refused, now)

    def _refuse(self, ends: dict[bytes, datetime], now: datetime) -> None:
        wait = max((end - now for end in ends.values()), default=timedelta())
        if wait > timedelta():
            seconds = int(wait.total_seconds()) + 1
            raise TooManyRequests(f"too many attempts; try again in {seconds} s", headers={"Retry-After": str(seconds)})
        for key in ends:
            del self._refused[key]
