"""All connections together: how many there may be, in all, of one account, and of nobody's yet."""

from collections import Counter
from collections.abc import Callable, Hashable

from telltale_gateway import metrics


class TooMany(Exception):
    """There is no room for another connection; the text says of what there are too many."""


class Clients:
    """Counts the open connections.

    Args:
        limit: of those whose account is known.
        limit_per_account: of those of one account.
        limit_strangers: of those that have yet to authenticate.
    """

    def __init__(self, limit: int, limit_per_account: int, limit_strangers: int) -> None:
        self._limit = limit
        self._limit_per_account = limit_per_account
        self._limit_strangers = limit_strangers
        self._known = 0
        self._of_account: Counter[str] = Counter()
        self._strangers: dict[Hashable, Callable[[], None]] = {}

    def __len__(self) -> int:
        return self._known + len(self._strangers)

    def arrive(self, stranger: Hashable, send_away: Callable[[], None]) -> None:
        """Count a connection of nobody's. For one too many, the one that has been a stranger for longest is sent away.

        So strangers take no place of anybody who is in, and who authenticates at once gets in however many they are.
        """
        self._strangers[stranger] = send_away
        if len(self._strangers) > self._limit_strangers:
            self._strangers.pop(next(iter(self._strangers)))()
        self._tell()

    def enter(self, stranger: Hashable, account: str) -> None:
        """Count a connection as one of ``account``.

        Raises:
            TooMany: it remains a stranger.
        """
        if self._known >= self._limit:
            raise TooMany("too many connections; try again later")
        if self._of_account[account] >= self._limit_per_account:
            raise TooMany("too many connections of this account")
        self._strangers.pop(stranger, None)
        self._known += 1
        self._of_account[account] += 1
        self._tell()

    def leave(self, who: Hashable, account: str | None) -> None:
        """A connection has ended: of ``account``, when :meth:`enter` counted it, and otherwise a stranger's."""
        if account is None:
            self._strangers.pop(who, None)
        else:
            self._known -= 1
            self._of_account[account] -= 1
            if not self._of_account[account]:
                del self._of_account[account]
        self._tell()

    def _tell(self) -> None:
        metrics.CLIENTS.set(len(self))
