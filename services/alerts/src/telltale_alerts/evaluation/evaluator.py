"""Messages of the stream in, changes of alerts out.

The same messages after the same state give the same changes, whenever they arrive: that is what makes a restart at any
point harmless. Conditions are judged in the time of the readings; the time of the stream decides what is silent.
"""

from collections.abc import Iterable, Mapping, Sequence

from telltale_alerts.evaluation import lifecycle, words
from telltale_alerts.evaluation.clock import StreamClock
from telltale_alerts.evaluation.lifecycle import Lifecycle
from telltale_alerts.evaluation.rules import SECOND, Kind, Rule, Silence
from telltale_alerts.evaluation.state import ANOMALIES_KNOWN, Alert, AlertKey, Change, Clock, Series, SeriesName, State
from telltale_shared.contracts import LEDGER_MISSING, AnomalyDetected, Heartbeat, ReadingBatch
from telltale_shared.validation import FUTURE_SKEW, check_series, check_value

LOOK_PERIOD = SECOND
"""µs of the stream's time between two looks for what is silent or over."""
LEDGER: SeriesName = ("", "")
"""Stands for the system as a whole, which is no series."""
LEDGER_SERVICE = "writer"
DETECTOR_SERVICE = "detector"


class Evaluator:
    """All rules over all series.

    Args:
        clock: as it was kept.
        series: as they were kept.
        alerts: those that are open.
        rules: that are switched on.
        silences: that have not ended.
        max_series: more than these are not watched.
        everything_seen: take every leap of time for granted, and doubt nothing.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        series: Iterable[Series] = (),
        alerts: Iterable[Alert] = (),
        rules: Iterable[Rule] = (),
        silences: Iterable[Silence] = (),
        max_series: int = 100_000,
        everything_seen: bool = False,
    ) -> None:
        self.clock = StreamClock(clock or Clock(), everything_seen=everything_seen)
        self.series: dict[SeriesName, Series] = {(one.source, one.category): one for one in series}
        self.touched: dict[SeriesName, Series] = {}
        """Series that have changed since they were last kept; whoever keeps them empties it."""
        self.forgotten: set[SeriesName] = set()
        """Series that were dropped since then."""
        self._life = Lifecycle({one.key: one for one in alerts}, list(silences))
        self._rules: dict[int, Rule] = {rule.id: rule for rule in rules}
        self._by_series: dict[SeriesName, tuple[Rule, ...]] = {}
        self._max_series = max_series
        self._life.end_outdated(self._rules, self.now)

    @property
    def now(self) -> int:
        """The time of the stream, µs since 1970-01-01 UTC."""
        return self.clock.now

    @property
    def alerts(self) -> Mapping[AlertKey, Alert]:
        """The alerts that are open."""
        return self._life.alerts

    @property
    def rules(self) -> Mapping[int, Rule]:
        """The rules that are watched by."""
        return self._rules

    @property
    def changes(self) -> Sequence[Change]:
        """What has changed since :meth:`kept`, in order."""
        return self._life.changes

    @property
    def touched_alerts(self) -> Sequence[Alert]:
        """The open alerts that are not as they were at :meth:`kept`."""
        return [alert for key, alert in self._life.touched.items() if key in self.alerts]

    def kept(self) -> None:
        """Changes and all that was touched were written down."""
        self._life.changes.clear()
        self._life.touched.clear()
        self.touched.clear()
        self.forgotten.clear()

    # --- what the stream tells

    def readings(self, batch: ReadingBatch) -> int:
        """Takes one delivery. Returns how many of its readings were late or invalid and so changed nothing."""
        if not batch.count == len(batch.index) == len(batch.observed_at):
            return batch.count
        self._advance(batch.published_at, batch.service)
        latest = self.now + FUTURE_SKEW
        known = [self._series(key.source, key.category, key.unit, batch.service) for key in batch.series]
        before = [one.last_at if one is not None else 0 for one in known]
        ignored = 0
        for which, observed_at, value in zip(batch.index, batch.observed_at, batch.value, strict=True):
            one = known[which] if 0 <= which < len(known) else None
            if one is None or not one.last_at < observed_at < latest or check_value(value) is not None:
                ignored += 1
                continue
            one.last_at = observed_at
            self._reading(one, observed_at, value)
        for one, last_at in zip(known, before, strict=True):
            if one is not None and one.last_at > last_at:
                self._end_silence(one)
        self.touched.update({(one.source, one.category): one for one in known if one is not None and one.last_at})
        return ignored

    def anomaly(self, found: AnomalyDetected) -> None:
        """Takes what the detector found; told again, it changes nothing."""
        self._advance(found.detected_at, DETECTOR_SERVICE)
        one = self._series(found.source, found.category, found.unit, "")
        if one is None or found.observed_at in one.anomalies or check_value(found.score) is not None:
            return
        if not 0 < found.observed_at < self.now + FUTURE_SKEW:
            return
        if len(one.anomalies) == ANOMALIES_KNOWN and found.observed_at < one.anomalies[0]:
            return
        one.anomalies = tuple(sorted((*one.anomalies, found.observed_at))[-ANOMALIES_KNOWN:])
        self.touched[found.source, found.category] = one
        for rule in self._rules_for(one):
            if rule.kind is not Kind.ANOMALY or found.score < rule.min_score:
                continue
            if rule.anomaly_kinds and found.kind not in rule.anomaly_kinds:
                continue
            text = words.unusual(found.explanation, found.score)
            self._life.observe(rule, one, lifecycle.Seen(found.observed_at, found.score, text, holds=True))

    def heartbeat(self, beat: Heartbeat) -> None:
        """Takes what a service says of itself: it moves the time on, and the writer's holds the ledger."""
        self._advance(beat.at, beat.service)
        if beat.at >= self.now + FUTURE_SKEW:
            return  # a clock that is wrong, or the first word after an outage: the next one is soon to come
        troubles = [f"{name}: {line}" for name, line in beat.dependencies.items() if line != "ok"]
        trouble = "" if beat.health == "ok" else "; ".join(troubles) or beat.health
        newest = self.clock.heard(beat.service, beat.at, trouble)
        missing = beat.figures.get(LEDGER_MISSING)
        if newest and beat.service == LEDGER_SERVICE and missing is not None and check_value(missing) is None:
            self._ledger(missing, beat.at)

    def gap(self) -> None:
        """Messages were lost: from here on nothing is known of what was silent before."""
        self.clock.lose_sight()

    def begin(self, now: int) -> None:
        """Where nothing is known of any time before, it is ``now``, µs since 1970-01-01 UTC."""
        if not self.now:
            self.clock.advance(now, "")

    def pass_to(self, at: int) -> None:
        """It is ``at`` now, µs since 1970-01-01 UTC."""
        self._advance(at, "")

    # --- what people do

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Watch by ``rules`` from now on; what a changed, deleted or disabled rule has open ends."""
        self._rules = {rule.id: rule for rule in rules}
        self._by_series.clear()
        self._life.end_outdated(self._rules, self.now)

    def set_silences(self, silences: Iterable[Silence], *, by: str) -> None:
        """Keep quiet what ``silences`` cover from now on."""
        self._life.silences = list(silences)
        self._life.settle(self.now, by=by)

    def acknowledge(self, alert: Alert, *, by: str, note: str = "") -> None:
        """Somebody looks after an alert that fires."""
        alert.acknowledged_by = by
        self._life.tell(alert, self.now, by=by, note=note)

    def give_back(self, alert: Alert, *, by: str) -> None:
        """Nobody looks after an alert any more."""
        alert.acknowledged_by = ""
        self._life.tell(alert, self.now, by=by)

    def forget(self, before: int) -> list[SeriesName]:
        """Drop the series that have been silent since ``before``, with what is open for them."""
        old = [name for name, one in self.series.items() if max(one.last_at, *one.anomalies, 0) < before]
        for name in old:
            del self.series[name]
            self.touched.pop(name, None)
            self._by_series.pop(name, None)
        self.forgotten.update(old)
        self._life.end({alert.key for alert in self.alerts.values()} & self._keys(old), self.now, words.FORGOTTEN)
        return old

    # --- doubts

    def doubt(self, rule: Rule) -> str:
        """Why a rule cannot tell right now whether its condition holds somewhere; empty when it can."""
        if rule.kind is Kind.MISSING_READINGS:
            return self.clock.doubt(LEDGER_SERVICE, expected=True)
        if rule.kind is Kind.ANOMALY:
            return self.clock.doubt(DETECTOR_SERVICE, expected=True)
        if rule.kind is Kind.NO_DATA:
            services = {one.service for one in self.series.values() if rule.matches(one.source, one.category)}
            doubts = (self.clock.doubt(service, expected=False) for service in sorted(services))
            return next((text for text in doubts if text), "")
        return ""

    # --- inside

    def _keys(self, names: Iterable[SeriesName]) -> set[AlertKey]:
        return {(rule, *name) for name in names for rule in self._rules}

    def _series(self, source: str, category: str, unit: str | None, service: str) -> Series | None:
        one = self.series.get((source, category))
        if one is None:
            if len(self.series) >= self._max_series or check_series(source, category, unit) is not None:
                return None
            one = self.series[source, category] = Series(source, category, unit, service, 0)
        if service:
            one.service = service
        return one

    def _rules_for(self, one: Series) -> tuple[Rule, ...]:
        name = one.source, one.category
        found = self._by_series.get(name)
        if found is None:
            about_series = (rule for rule in self._rules.values() if rule.kind is not Kind.MISSING_READINGS)
            found = self._by_series[name] = tuple(rule for rule in about_series if rule.matches(*name))
        return found

    def _reading(self, one: Series, at: int, value: float) -> None:
        for rule in self._rules_for(one):
            if rule.kind is Kind.THRESHOLD:
                self._value(rule, one, at, value)

    def _end_silence(self, one: Series) -> None:
        """Readings came, and the newest decides: it ends the silence now, unless it is that old itself."""
        for rule in self._rules_for(one):
            if rule.kind is not Kind.NO_DATA or (rule.id, one.source, one.category) not in self.alerts:
                continue
            if self.now - one.last_at < rule.hold:
                self._life.observe(rule, one, lifecycle.Seen(self.now, None, words.READINGS_AGAIN, holds=False))

    def _value(self, rule: Rule, one: Series, at: int, value: float) -> None:
        holds = rule.holds(value)
        alert = self.alerts.get((rule.id, one.source, one.category))
        if alert is None and not holds:
            return
        if not holds and alert is not None and alert.state is not State.PENDING and not rule.is_clear(value):
            self._life.hold_on(alert, value)
            return
        if holds:
            text = words.beyond(rule, value, one.unit, at - alert.since if alert else 0)
        else:
            text = words.back(rule, value, one.unit)
        self._life.observe(rule, one, lifecycle.Seen(at, value, text, holds=holds))

    def _ledger(self, missing: float, at: int) -> None:
        for rule in self._rules.values():
            if rule.kind is not Kind.MISSING_READINGS:
                continue
            alert = self.alerts.get((rule.id, *LEDGER))
            holds = rule.holds(missing)
            if holds or alert is not None:
                text = words.missing(missing, at - alert.since if alert else 0) if holds else words.ALL_THERE
                ledger = Series(*LEDGER, None, LEDGER_SERVICE, at)
                self._life.observe(rule, ledger, lifecycle.Seen(at, missing, text, holds=holds))

    def _advance(self, at: int, sender: str) -> None:
        """Move the stream's time on, and see what has become silent or is over by now."""
        if not self.clock.advance(at, sender) or self.now - self.clock.kept.looked_at < LOOK_PERIOD:
            return
        self.clock.kept.looked_at = self.now
        self._end_usual_again()
        for rule in self._rules.values():
            if rule.kind is Kind.NO_DATA:
                self._look_for_silence(rule)
        self._life.settle(self.now)

    def _end_usual_again(self) -> None:
        for alert in list(self.alerts.values()):
            rule = self._rules.get(alert.rule_id)
            if rule is None or rule.kind is not Kind.ANOMALY:
                continue
            since = self.clock.silent_since(DETECTOR_SERVICE, alert.held_at)
            if since is not None and self.now - since >= rule.clear_after:
                self._life.end({alert.key}, since + rule.clear_after, words.usual_again(rule.clear_after))

    def _look_for_silence(self, rule: Rule) -> None:
        for one in self.series.values():
            if not one.last_at or not rule.matches(one.source, one.category):
                continue
            since = self.clock.silent_since(one.service, one.last_at)
            if since is None or self.now - since < rule.hold:
                continue
            alert = self.alerts.get((rule.id, one.source, one.category))
            if alert is None or alert.clear_since is not None:
                # When it became too long, not when that was noticed.
                text = words.silent(one.last_at, since + rule.hold)
                seen = lifecycle.Seen(since + rule.hold, rule.hold / SECOND, text, holds=True, since=since)
                self._life.observe(rule, one, seen)
