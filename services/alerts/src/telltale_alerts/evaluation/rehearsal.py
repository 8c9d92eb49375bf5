"""One rule over the past, as if it had been watched by then: of the past, everything counts as seen."""

from telltale_alerts.evaluation.evaluator import Evaluator
from telltale_alerts.evaluation.rules import Rule
from telltale_alerts.evaluation.state import Change, State
from telltale_shared.contracts import AnomalyDetected, ReadingBatch, SeriesKey

PUBLISHER = "past"


class Rehearsal:
    """Feeds readings or anomalies, oldest first, to an evaluator of its own."""

    def __init__(self, rule: Rule) -> None:
        self._evaluator = Evaluator(rules=[rule], everything_seen=True)
        self.fired: list[Change] = []
        """Each time that the rule fired; the alert of a change tells when it was resolved."""

    @property
    def series(self) -> int:
        """How many series there were."""
        return len(self._evaluator.series)

    @property
    def pending(self) -> int:
        """Alerts that are pending now."""
        return sum(alert.state is State.PENDING for alert in self._evaluator.alerts.values())

    def reading(self, source: str, category: str, unit: str | None, at: int, value: float) -> None:
        """The next reading, measured at ``at`` (µs since 1970-01-01 UTC)."""
        batch = ReadingBatch(
            producer=PUBLISHER,
            service=PUBLISHER,
            first=1,
            confirmed=0,
            published_at=at,
            series=[SeriesKey(source, category, unit)],
            index=[0],
            observed_at=[at],
            value=[value],
        )
        self._evaluator.readings(batch)
        self._collect()

    def anomaly(self, found: AnomalyDetected) -> None:
        """The next anomaly."""
        self._evaluator.anomaly(found)
        self._collect()

    def finish(self, end: int) -> None:
        """The past ends, µs since 1970-01-01 UTC."""
        self._evaluator.pass_to(end)
        self._collect()

    def _collect(self) -> None:
        if self._evaluator.changes:
            self.fired += [change for change in self._evaluator.changes if change.state is State.FIRING]
        self._evaluator.kept()
