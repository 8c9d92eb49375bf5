"""Which access tokens count no longer, although their signature and time are right. Does no I/O."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable

from telltale_shared.contracts import Revocation
from telltale_shared.security.roles import Principal

REMEMBERED_SECONDS = 360.0
"""How long a revocation is kept: longer than any token lives that was issued before it, leeway included."""


class Revocations:
    """What was revoked lately, and who wants to know at once.

    Its size is bounded by the changes of six minutes: older tokens have expired by themselves.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._versions: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._sessions: OrderedDict[str, float] = OrderedDict()
        self._watchers: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._versions) + len(self._sessions)

    def add(self, revocation: Revocation) -> None:
        """Take note of one, and call whoever watches its account."""
        now = self._clock()
        self._forget(now)
        if revocation.before_version:
            known, _ = self._versions.pop(revocation.user_id, (0, 0.0))
            self._versions[revocation.user_id] = max(known, revocation.before_version), now
        if revocation.session_id:
            self._sessions.pop(revocation.session_id, None)
            self._sessions[revocation.session_id] = now
        for watcher in tuple(self._watchers.get(revocation.user_id, ())):
            watcher()

    def covers(self, principal: Principal) -> bool:
        """Whether the token of ``principal`` has been revoked."""
        revoked = self._versions.get(principal.user_id)
        if revoked is not None and principal.token_version < revoked[0]:
            return True
        return principal.session_id in self._sessions

    def watch(self, user_id: str, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call ``watcher`` after each revocation that concerns the account. Returns the call that ends this."""
        self._watchers[user_id].add(watcher)

        def end() -> None:
            watchers = self._watchers.get(user_id)
            if watchers is not None:
                watchers.discard(watcher)
                if not watchers:
                    del self._watchers[user_id]

        return end

    def _forget(self, now: float) -> None:
        old = now - REMEMBERED_SECONDS
        while self._versions and next(iter(self._versions.values()))[1] < old:
            self._versions.popitem(last=False)
        while self._sessions and next(iter(self._sessions.values())) < old:
            self._sessions.popitem(last=False)
