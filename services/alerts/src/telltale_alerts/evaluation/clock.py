"""The time of the stream, and what of it was not seen."""

from telltale_alerts.evaluation.rules import SECOND
from telltale_alerts.evaluation.state import Clock, Service

MISSING_AFTER = 15 * SECOND
"""Every service sends a heartbeat each 5 s: when one is silent for so long, or the whole stream, that is an outage of
ours."""
SERVICES_MAX = 500


class StreamClock:
    """Time as the messages of the stream tell it. It never goes back.

    Args:
        kept: as it was when it was kept last.
        everything_seen: whether each leap of time is what it says, and nothing happened meanwhile.
    """

    def __init__(self, kept: Clock, *, everything_seen: bool = False) -> None:
        self.kept = kept
        self._everything_seen = everything_seen

    @property
    def now(self) -> int:
        """µs since 1970-01-01 UTC; 0 before the first message."""
        return self.kept.now

    def advance(self, at: int, sender: str) -> bool:
        """``sender`` says that it is ``at``. Returns whether time moved on.

        A leap far ahead is what a clock that is wrong looks like, and so is the first message after an outage: the leap
        is believed once a second sender confirms it.
        """
        kept = self.kept
        if at <= kept.now:
            return False
        if kept.now and at - kept.now > MISSING_AFTER and not self._everything_seen:
            if kept.leap is None or kept.leap[0] == sender:
                kept.leap = sender, at
                return False
            at = min(at, kept.leap[1])
            if at - kept.now > MISSING_AFTER:
                kept.blind_until = at
        kept.now, kept.leap = at, None
        return True

    def lose_sight(self) -> None:
        """Messages were lost up to now."""
        self.kept.blind_until = max(self.kept.blind_until, self.kept.now)

    def heard(self, service: str, at: int, trouble: str) -> bool:
        """A heartbeat of ``service``, which says what is wrong with it, if anything. Whether it is the newest."""
        services = self.kept.services
        known = services.get(service)
        if known is None:
            if len(services) < SERVICES_MAX:
                services[service] = Service(at, at, trouble)
            return True
        if at <= known.at:
            return False
        if at - known.at > MISSING_AFTER or known.trouble:
            known.back_at = at
        known.at, known.trouble = at, trouble
        return True

    def doubt(self, service: str, *, expected: bool) -> str:
        """Why nothing can be concluded from the silence of ``service``, or an empty text.

        A service that never sent a heartbeat is a program of somebody else's, unless it is ``expected``.
        """
        known = self.kept.services.get(service)
        if known is None:
            return f"{service} has not been heard from yet" if expected else ""
        if self.now - known.at > MISSING_AFTER:
            return f"{service} has not been heard from for {(self.now - known.at) // SECOND} s"
        return f"{service} is not well ({known.trouble})" if known.trouble else ""

    def silent_since(self, service: str, last_at: int) -> int | None:
        """Since when a series that ``service`` publishes has been silent for sure; None when nobody can tell.

        What happened while we could not see, or its publisher was away, counts for nothing.
        """
        if self.doubt(service, expected=False):
            return None
        known = self.kept.services.get(service)
        return max(last_at, self.kept.blind_until, known.back_at if known else 0)
