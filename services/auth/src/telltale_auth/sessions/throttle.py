"""How often somebody may be wrong about a password. Delays grow and end: nobody is locked out for good.

Three counts stand side by side. One address that tries one account is slowed down soon. Many addresses that try one
account are slowed down later and less, so that they cannot keep its owner out; one address that tries many accounts
likewise. An unknown account is counted like an existing one.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from telltale_shared.errors import TooManyRequests

FORGOTTEN_AFTER = 900.0
"""Seconds without a failure after which a count starts anew."""
KEYS_REMEMBERED = 100_000

Key = tuple[str, ...]


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


@dataclass(slots=True)
class _Count:
    failures: int
    at: float


class LoginThrottle:
    """Counts attempts in this process, each as failed until it is said to have succeeded.

    So those that run at the same time are counted, too. Every copy of auth counts for itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def begin(self, email: str, address: str) -> None:
        """Let an attempt to sign in pass, and count it.

        Raises:
            TooManyRequests: this account or this address failed too often; says when to come back.
        """
        self._begin(_signing_in(email, address))

    def succeeded(self, email: str, address: str) -> None:
        """The attempt was right: forget what the account's owner got wrong here, and do not hold it against others."""
        now = self._clock()
        self._counts.pop(("pair", email, address), None)
        for key in (("account", email), ("address", address)):
            if (count := self._known(key, now)) is not None:
                count.failures -= 1

    def undo(self, email: str, address: str) -> None:
        """The attempt came to nothing for a reason of ours: it counts neither as right nor as wrong."""
        for key in _signing_in(email, address):
            if (count := self._counts.get(key)) is not None:
                count.failures -= 1

    def begin_registration(self, address: str) -> None:
        """Let a registration pass, and count it. Raises like :meth:`begin`."""
        self._begin({("registration", address): REGISTRATION})

    def _begin(self, rules: dict[Key, Rule]) -> None:
        now = self._clock()
        wait = 0.0
        for key, rule in rules.items():
            if (count := self._known(key, now)) is not None:
                wait = max(wait, count.at + rule.delay(count.failures) - now)
        if wait > 0:
            seconds = int(wait) + 1
            raise TooManyRequests(f"too many attempts; try again in {seconds} s", headers={"Retry-After": str(seconds)})
        for key in rules:
            count = self._known(key, now) or _Count(0, now)
            count.failures, count.at = count.failures + 1, now
            self._counts[key] = count
            self._counts.move_to_end(key)
        while len(self._counts) > KEYS_REMEMBERED:
            self._counts.popitem(last=False)

    def _known(self, key: Key, now: float) -> _Count | None:
        count = self._counts.get(key)
        if count is not None and now - count.at > FORGOTTEN_AFTER:
            del self._counts[key]
            return None
        return count


def _signing_in(email: str, address: str) -> dict[Key, Rule]:
    return {("pair", email, address): PAIR, ("account", email): ACCOUNT, ("address", address): ADDRESS}
