"""The checker must see every way in which the promise can be broken."""

from dataclasses import replace

import pytest
from tests.prove.checker import Account, Evidence, check
from tests.prove.lists import Sent

COUNT = 10
SENT = [Sent(n, f"s{n % 2}", 1_000 + n, n * 0.1, "not_finite" if n == 4 else None) for n in range(1, COUNT + 1)]
RECORDS = [(r.category, r.observed_at, r.value) for r in SENT if r.reason is None]
ROLLUPS = dict.fromkeys(("minute", "hour", "day"), len(RECORDS))
ACCOUNT = Account(published=COUNT, stored=len(RECORDS), repeated=0, dead=1, missing=0, watermark=COUNT)
KEPT = Evidence(RECORDS, [("not_finite", 4, 1)], ROLLUPS, ACCOUNT)
CONFIRMED = set(range(1, COUNT + 1))


def test_a_kept_promise_is_no_complaint() -> None:
    verdict = check(SENT, CONFIRMED, KEPT)
    assert verdict.holds, verdict.complaints
    assert (verdict.confirmed, verdict.stored, verdict.dead, verdict.lost, verdict.repeated) == (10, 9, 1, 0, 0)


def test_an_anomaly_of_a_reading_that_was_sent_is_no_complaint() -> None:
    assert check(SENT, CONFIRMED, replace(KEPT, anomalies=[("s1", 1_003, 3 * 0.1)])).holds


def test_what_was_not_confirmed_may_be_stored_or_not() -> None:
    stored_anyway = check(SENT, CONFIRMED - {10}, KEPT)
    assert stored_anyway.holds, stored_anyway.complaints
    assert check(SENT, CONFIRMED - {10}, _without_record(10)).lost == 0


def _without_record(number: int) -> Evidence:
    records = [record for record in RECORDS if record[1] != 1_000 + number]
    account = replace(ACCOUNT, stored=len(records), watermark=number - 1)
    return Evidence(records, KEPT.letters, dict.fromkeys(ROLLUPS, len(records)), account)


def test_a_lost_reading_is_counted() -> None:
    verdict = check(SENT, CONFIRMED, _without_record(7))
    assert verdict.lost == 1
    assert any("neither stored nor dead: 7" in complaint for complaint in verdict.complaints)


def test_a_lost_dead_letter_is_counted() -> None:
    assert check(SENT, CONFIRMED, replace(KEPT, letters=[])).lost == 1


@pytest.mark.parametrize(
    ("evidence", "repeated"),
    [
        (replace(KEPT, letters=[*KEPT.letters, ("not_finite", 4, 1)]), 1),
        (replace(KEPT, letters=[*KEPT.letters, ("conflict", 5, 1)]), 1),
        (replace(KEPT, rollups={**ROLLUPS, "hour": len(RECORDS) + 3}), 3),
        (replace(KEPT, account=replace(ACCOUNT, repeated=2)), 2),
        (replace(KEPT, anomalies=[("s1", 1_003, 3 * 0.1)] * 2), 1),
    ],
    ids=["buried twice", "stored and buried", "counted twice in a rollup", "repeated in the ledger", "marked twice"],
)
def test_what_came_twice_is_counted(evidence: Evidence, repeated: int) -> None:
    verdict = check(SENT, CONFIRMED, evidence)
    assert verdict.repeated == repeated
    assert not verdict.holds


@pytest.mark.parametrize(
    "evidence",
    [
        replace(KEPT, records=[*RECORDS, ("s0", 77, 1.0)]),
        replace(KEPT, records=[(category, at, value + (at == 1_003)) for category, at, value in RECORDS]),
        replace(KEPT, letters=[("malformed", 4, 1)]),
        replace(KEPT, rollups={**ROLLUPS, "minute": len(RECORDS) - 1}),
        replace(KEPT, account=replace(ACCOUNT, stored=len(RECORDS) - 1)),
        replace(KEPT, account=replace(ACCOUNT, missing=1)),
        replace(KEPT, account=replace(ACCOUNT, watermark=COUNT - 1)),
        replace(KEPT, account=replace(ACCOUNT, published=COUNT + 1)),
        replace(KEPT, anomalies=[("s1", 1_003, 17.0)]),
    ],
    ids=[
        "a record that nobody sent",
        "another value",
        "another reason",
        "missing in a rollup",
        "the ledger's stored",
        "the ledger's missing",
        "the ledger's watermark",
        "the ledger's published",
        "an anomaly of another value",
    ],
)
def test_whatever_else_does_not_agree_is_a_complaint(evidence: Evidence) -> None:
    assert not check(SENT, CONFIRMED, evidence).holds


def test_a_confirm_of_what_was_never_sent_is_a_complaint() -> None:
    assert not check(SENT, CONFIRMED | {99}, KEPT).holds
