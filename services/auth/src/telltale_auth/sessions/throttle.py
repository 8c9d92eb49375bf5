"""How often somebody may be wrong about a password: per account and per address, forgotten after a few minutes."""

import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from telltale_shared.errors import TooManyRequests

WINDOW_MINUTES = 5
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 300
"""Generous, since everybody who signs in through the UI's server comes from its address."""


class LoginThrottle:
    """Counts failed sign-ins in this process. An unknown account is counted like an existing one."""

    def __init__(self, *, per_account: int = FAILURES_PER_ACCOUNT, per_address: int = FAILURES_PER_ADDRESS) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._per_account = RateLimitItemPerMinute(per_account, WINDOW_MINUTES, namespace="account")
        self._per_address = RateLimitItemPerMinute(per_address, WINDOW_MINUTES, namespace="address")

    async def check(self, email: str, address: str) -> None:
        """Let an attempt pass.

        Raises:
            TooManyRequests: this account or this address failed too often; says when to come back.
        """
        for limit, key in self._counted(email, address):
            if not await self._limiter.test(limit, key):
                window = await self._limiter.get_window_stats(limit, key)
                seconds = max(1, int(window.reset_time - time.time()) + 1)
                raise TooManyRequests(
                    f"too many failed attempts to sign in; try again in {seconds} s",
                    headers={"Retry-After": str(seconds)},
                )

    async def failed(self, email: str, address: str) -> None:
        """Count a failed attempt."""
        for limit, key in self._counted(email, address):
            await self._limiter.hit(limit, key)

    async def succeeded(self, email: str) -> None:
        """Forget the failed attempts of an account."""
        await self._limiter.clear(self._per_account, email)

    def _counted(self, email: str, address: str) -> tuple[tuple[RateLimitItem, str], ...]:
        return (self._per_account, email), (self._per_address, address)
