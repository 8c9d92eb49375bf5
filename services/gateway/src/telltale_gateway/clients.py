"""All connections together: how many there may be, in all and of one account."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from telltale_gateway import metrics


class Clients:
    """Counts the open connections."""

    def __init__(self, limit: int, limit_per_account: int) -> None:
        self._limit = limit
        self._limit_per_account = limit_per_account
        self._open = 0
        self._of_account: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open

    @property
    def is_full(self) -> bool:
        """Whether no further connection may be served."""
        return self._open >= self._limit

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count a connection as long as the block runs."""
        self._open += 1
        metrics.CLIENTS.set(self._open)
        try:
            yield
        finally:
            self._open -= 1
            metrics.CLIENTS.set(self._open)

    def enter(self, account: str) -> bool:
        """Count a connection of ``account``; False, and nothing counted, when it has too many."""
        if self._of_account[account] >= self._limit_per_account:
            return False
        self._of_account[account] += 1
        return True

    def leave(self, account: str) -> None:
        """A connection that :meth:`enter` counted has ended."""
        self._of_account[account] -= 1
        if not self._of_account[account]:
            del self._of_account[account]
