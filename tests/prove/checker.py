"""The verdict: what was sent and confirmed, compared with what the database holds. Pure.

The promise is that a confirmed reading is stored exactly once, or is a dead letter with its reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from tests.prove.lists import Sent

EXAMPLES = 5


@dataclass(frozen=True)
class Account:
    """What the ledger says of a producer."""

    published: int
    stored: int
    repeated: int
    dead: int
    missing: int
    watermark: int


@dataclass(frozen=True)
class Evidence:
    """What the database holds of one load."""

    records: list[tuple[str, int, float]]
    """Category, time (µs since 1970-01-01 UTC) and value."""
    letters: list[tuple[str, int, int]]
    """Reason, first number, and how many numbers it stands for."""
    rollups: Mapping[str, int]
    """Per tier, how many readings its buckets count."""
    account: Account | None
    """None where several producers share the source, or one has several: then the ledger is compared as a whole."""
    anomalies: list[tuple[str, int, float]] = field(default_factory=list)
    """What the detector marked: category, time and value."""


@dataclass
class Verdict:
    """The numbers of one load, and everything that contradicts the promise."""

    attempted: int
    confirmed: int
    stored: int = 0
    dead: int = 0
    lost: int = 0
    """Confirmed, and neither stored nor a dead letter."""
    repeated: int = 0
    """Surplus of readings that are counted, stored or buried more than once."""
    complaints: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not self.complaints

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            attempted=self.attempted + other.attempted,
            confirmed=self.confirmed + other.confirmed,
            stored=self.stored + other.stored,
            dead=self.dead + other.dead,
            lost=self.lost + other.lost,
            repeated=self.repeated + other.repeated,
            complaints=[*self.complaints, *other.complaints],
        )


def check(attempted: Iterable[Sent], confirmed: Set[int], evidence: Evidence) -> Verdict:
    """Compare the lists with the database. Call it when everything has come to rest."""
    sent = {reading.number: reading for reading in attempted}
    verdict = Verdict(attempted=len(sent), confirmed=len(confirmed))
    by_place = {(r.category, r.observed_at): r for r in sent.values() if r.reason is None}
    stored = _stored_numbers(by_place, evidence, verdict)
    dead = _dead_numbers(sent, evidence, verdict)
    verdict.stored, verdict.dead = len(stored), len(dead)

    lost = confirmed - stored - dead
    verdict.lost = len(lost)
    _complain(verdict, "confirmed, and neither stored nor dead", lost)
    _complain(verdict, "confirmed without having been sent", confirmed - sent.keys())
    both = stored & dead
    verdict.repeated += len(both)
    _complain(verdict, "stored and dead at once", both)

    for tier, count in evidence.rollups.items():
        surplus = count - len(evidence.records)
        verdict.repeated += max(0, surplus)
        _expect(verdict, f"readings in the {tier} rollups", count, len(evidence.records))
    _check_anomalies(by_place, evidence, verdict)
    if evidence.account is not None:
        _check_account(verdict, evidence.account, evidence, sent)
    return verdict


def _stored_numbers(by_place: Mapping[tuple[str, int], Sent], evidence: Evidence, verdict: Verdict) -> set[int]:
    """Numbers of the records, each compared with what was sent."""
    stored: set[int] = set()
    foreign, altered = [], []
    for category, observed_at, value in evidence.records:
        reading = by_place.get((category, observed_at))
        if reading is None:
            foreign.append((category, observed_at))
            continue
        if reading.value != value:
            altered.append(reading.number)
        stored.add(reading.number)
    _complain(verdict, "records that nobody sent", foreign)
    _complain(verdict, "stored with another value than was sent", altered)
    return stored


def _dead_numbers(sent: Mapping[int, Sent], evidence: Evidence, verdict: Verdict) -> set[int]:
    """Numbers of the dead letters, each with the reason that it must have."""
    times: Counter[int] = Counter()
    wrong = []
    for reason, first, count in evidence.letters:
        for number in range(first, first + count):
            times[number] += 1
            expected = sent[number].reason if number in sent else "never sent"
            if reason != expected:
                wrong.append((number, reason, expected))
    again = [number for number, count in times.items() if count > 1]
    verdict.repeated += len(again)
    _complain(verdict, "dead twice", again)
    _complain(verdict, "dead for another reason than expected", wrong)
    return set(times)


def _check_anomalies(by_place: Mapping[tuple[str, int], Sent], evidence: Evidence, verdict: Verdict) -> None:
    """A mark belongs to a reading that was sent, and is there once."""
    times = Counter((category, observed_at) for category, observed_at, _ in evidence.anomalies)
    again = [place for place, count in times.items() if count > 1]
    verdict.repeated += len(again)
    _complain(verdict, "marked twice as an anomaly", again)
    known = {(category, observed_at, reading.value) for (category, observed_at), reading in by_place.items()}
    _complain(verdict, "anomalies of readings that nobody sent", set(evidence.anomalies) - known)


def _check_account(verdict: Verdict, account: Account, evidence: Evidence, sent: Mapping[int, Sent]) -> None:
    """The ledger must agree: numbered = stored + repeated + dead + missing + in flight; at rest the last two are 0."""
    verdict.repeated += account.repeated
    _expect(verdict, "the ledger's published", account.published, max(sent, default=0))
    _expect(verdict, "the ledger's stored", account.stored, len(evidence.records))
    _expect(verdict, "the ledger's repeated", account.repeated, 0)
    _expect(verdict, "the ledger's dead", account.dead, verdict.dead)
    _expect(verdict, "the ledger's missing", account.missing, 0)
    _expect(verdict, "the ledger's sum", account.stored + account.repeated + account.dead, account.published)
    _expect(verdict, "the ledger's watermark", account.watermark, account.published)


def _complain(verdict: Verdict, what: str, found: Iterable[object]) -> None:
    examples = sorted(found, key=repr)
    if examples:
        some = ", ".join(map(str, examples[:EXAMPLES]))
        verdict.complaints.append(f"{len(examples)} {what}: {some}{' …' if len(examples) > EXAMPLES else ''}")


def _expect(verdict: Verdict, what: str, found: int, expected: int) -> None:
    if found != expected:
        verdict.complaints.append(f"{what}: {found}, expected {expected}")
