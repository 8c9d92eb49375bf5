"""Hashing passwords: bcrypt in a few threads of its own, so that a flood of logins cannot stop the service."""

import asyncio
import base64
import hashlib
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from telltale_auth.strength import weakness
from telltale_shared.errors import TooManyRequests

MIN_LENGTH = 8
"""Characters. OWASP ASVS 5.0 (6.2.1) asks for 8 and recommends 15; length counts, composition rules do not."""
MAX_LENGTH = 200
"""Characters. Long pass phrases are welcome and every character counts; the bound is for the hash function's sake."""

WAITING_PER_THREAD = 32
"""Hashes that may wait for a thread, times the threads; about eight seconds' worth at cost 12."""

NICER = 5
"""How much lower the priority of the threads that hash is."""

Result = TypeVar("Result")


def _prepared(password: str) -> bytes:
    # bcrypt takes 72 bytes and stops at a NUL: the digest, as text, is 44 bytes without one, whatever the length.
    # Half a surrogate pair, which JSON can hold, is a wrong password like any other.
    return base64.b64encode(hashlib.sha256(password.encode(errors="surrogatepass")).digest())


def _hash(password: str, cost: int) -> str:
    return bcrypt.hashpw(_prepared(password), bcrypt.gensalt(cost)).decode()


def _matches(password: str, hashed: str) -> bool:
    return bcrypt.checkpw(_prepared(password), hashed.encode())


def _give_way() -> None:
    # Whoever answers requests comes first: on Linux each thread has a priority of its own.
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, min(19, os.getpriority(os.PRIO_PROCESS, own) + NICER))


class Passwords:
    """Hashes and compares passwords.

    Args:
        cost: power of two of bcrypt's rounds.
        threads: hashes computed at the same time.
    """

    def __init__(self, *, cost: int, threads: int) -> None:
        self._cost = cost
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt", initializer=_give_way)
        self._limit = threads * (1 + WAITING_PER_THREAD)
        self._pending = 0
        self._nobodys = _hash(secrets.token_urlsafe(), cost)

    def close(self) -> None:
        """Give the threads back; what still waits for one is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """A salted hash to store.

        Raises:
            TooManyRequests: too many hashes are waiting already.
        """
        return await self._run(lambda: _hash(password, self._cost))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether ``password`` is the one that ``hashed`` was made from.

        ``None``, for an account that does not exist, takes the same time and never matches.

        Raises:
            TooManyRequests: too many hashes are waiting already.
        """
        same = await self._run(lambda: _matches(password, hashed or self._nobodys))
        return same and hashed is not None

    async def weakness(self, password: str, *, about: list[str]) -> str | None:
        """What makes ``password`` easy to guess, or None; judged by the same threads, since it takes its time.

        Raises:
            TooManyRequests: too many hashes are waiting already.
        """
        return await self._run(lambda: weakness(password, about=about))

    def refuse_if_full(self) -> None:
        """Ask before any other work is done for a request that would end here.

        Raises:
            TooManyRequests: too many hashes are waiting already.
        """
        if self._pending >= self._limit:
            raise TooManyRequests("too many people are signing in at this moment", headers={"Retry-After": "5"})

    async def _run(self, work: Callable[[], Result]) -> Result:
        self.refuse_if_full()
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1
