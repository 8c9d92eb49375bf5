"""The life of an alert: pending, firing, resolved; acknowledged and silenced while it fires."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from telltale_alerts.evaluation import words
from telltale_alerts.evaluation.rules import Rule, Silence
from telltale_alerts.evaluation.state import Alert, AlertKey, Change, Series, State


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule sees of a series at one instant."""

    at: int
    """µs since 1970-01-01 UTC."""
    value: float | None
    text: str
    """In words."""
    holds: bool
    """Whether the condition holds; otherwise it is over."""
    since: int | None = None
    """When the condition began, where that is known, and with it that it has held for long enough."""


class Lifecycle:
    """The alerts that are open. Every change of one is noted in ``changes``."""

    def __init__(self, alerts: dict[AlertKey, Alert], silences: list[Silence]) -> None:
        self.alerts = alerts
        self.silences = silences
        self.changes: list[Change] = []
        self.touched: dict[AlertKey, Alert] = {}
        """What differs from what was written down last."""

    def observe(self, rule: Rule, series: Series, seen: Seen) -> None:
        """What ``rule`` sees of ``series`` now."""
        alert = self.alerts.get((rule.id, series.source, series.category))
        if seen.holds:
            self._hold(rule, series, alert, seen)
        elif alert is not None and alert.state is State.PENDING:
            self._close(alert, seen.at, seen.text, value=seen.value)
        elif alert is not None:
            alert.clear_since = seen.at if alert.clear_since is None else alert.clear_since
            self.touched[alert.key] = alert
            if seen.at - alert.clear_since >= rule.clear_after:
                self._close(alert, seen.at, seen.text, value=seen.value)

    def hold_on(self, alert: Alert, value: float) -> None:
        """A firing alert's value is between its two limits: neither does it hold, nor is it over."""
        alert.value, alert.clear_since = value, None
        self.touched[alert.key] = alert

    def tell(self, alert: Alert, now: int, *, by: str, note: str = "") -> None:
        """Note what a person did to an alert, also where its state stays the same."""
        if not self._settle_one(alert, now, by=by, note=note):
            self._note(alert, now, by=by, note=note)

    def end_outdated(self, rules: Mapping[int, Rule], now: int) -> None:
        """End what belongs to no rule any more as it is today; the rest is named as its rule is now."""
        for alert in list(self.alerts.values()):
            rule = rules.get(alert.rule_id)
            if rule is None or rule.revision != alert.rule_revision:
                self._close(alert, now, words.RULE_CHANGED)
            elif (alert.rule_name, alert.severity) != (rule.name, rule.severity):
                alert.rule_name, alert.severity = rule.name, rule.severity
                self.touched[alert.key] = alert

    def end(self, keys: Iterable[AlertKey], at: int, text: str) -> None:
        """End what is open."""
        for key in keys:
            self._close(self.alerts[key], at, text)

    def settle(self, now: int, *, by: str = "") -> None:
        """Bring the state of every alert in line with acknowledgements and silences."""
        for alert in self.alerts.values():
            self._settle_one(alert, now, by=by)

    def _hold(self, rule: Rule, series: Series, alert: Alert | None, seen: Seen) -> None:
        new = alert is None
        if alert is None:
            alert = self.alerts[rule.id, series.source, series.category] = Alert(
                rule_id=rule.id,
                rule_revision=rule.revision,
                rule_name=rule.name,
                kind=rule.kind,
                severity=rule.severity,
                source=series.source,
                category=series.category,
                unit=series.unit,
                state=State.PENDING,
                since=seen.at if seen.since is None else seen.since,
                held_at=seen.at,
                value=seen.value,
                explanation=seen.text,
            )
        alert.held_at, alert.value, alert.explanation = max(alert.held_at, seen.at), seen.value, seen.text
        alert.clear_since = None
        self.touched[alert.key] = alert
        if alert.fired_at is None and seen.at - alert.since >= rule.hold:
            alert.fired_at = seen.at
            self._settle_one(alert, seen.at)
        elif new:
            self._note(alert, seen.at)

    def _settle_one(self, alert: Alert, now: int, *, by: str = "", note: str = "") -> bool:
        if alert.fired_at is None:
            return False
        until = [silence.ends_at for silence in self.silences if silence.ends_at > now and silence.covers(*alert.key)]
        if (latest := max(until, default=None)) != alert.silenced_until:
            alert.silenced_until = latest
            self.touched[alert.key] = alert
        if alert.silenced_until is not None:
            state = State.SILENCED
        else:
            state = State.ACKNOWLEDGED if alert.acknowledged_by else State.FIRING
        if state is alert.state:
            return False
        alert.state = state
        self._note(alert, now, by=by, note=note)
        return True

    def _close(self, alert: Alert, at: int, text: str, *, value: float | None = None) -> None:
        del self.alerts[alert.key]
        # By the clock of a sender that is ahead, it may have fired later than now.
        at = at if alert.fired_at is None else max(at, alert.fired_at)
        alert.state, alert.resolved_at, alert.silenced_until = State.RESOLVED, at, None
        alert.explanation = text if alert.fired_at is None else alert.explanation
        self._note(alert, at, value=value, text=text)

    def _note(
        self, alert: Alert, at: int, *, value: float | None = None, text: str = "", by: str = "", note: str = ""
    ) -> None:
        self.touched[alert.key] = alert
        shown = alert.value if value is None else value
        self.changes.append(Change(alert, alert.state, at, shown, text or alert.explanation, by, note))
