"""The arithmetic of the ledger, without a database."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from telltale_shared.store.ledger import Account, Numbers, Standing, neighbourhood


def numbers(first: int, last: int, confirmed: int = 0) -> Numbers:
    return Numbers("p", "service", first, last, confirmed)


@st.composite
def deliveries_in_any_order(draw: st.DrawFn) -> list[Numbers]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    cut: list[Numbers] = []
    for size in sizes:
        first = cut[-1].last + 1 if cut else 1
        cut.append(numbers(first, first + size - 1))
    repeated = draw(st.lists(st.sampled_from(cut), max_size=12))
    return draw(st.permutations([*cut, *repeated]))


@given(deliveries_in_any_order())
def test_every_number_is_settled_once_whatever_the_order(deliveries: list[Numbers]) -> None:
    account = Account(1, 0, {})
    new = [d for d in deliveries if account.claim(d) is Standing.NEW]
    settled = sorted(n for d in new for n in range(d.first, d.last + 1))
    assert settled == list(range(1, max(d.last for d in deliveries) + 1))
    assert account.watermark == settled[-1]
    assert account.above == {}
    assert account.redelivered == sum(d.last - d.first + 1 for d in deliveries) - len(settled)


@given(deliveries_in_any_order(), st.data())
def test_what_is_settled_survives_being_written_and_read_between_any_two(
    deliveries: list[Numbers], data: st.DataObject
) -> None:
    at_once = Account(1, 0, {})
    kept = Account(1, 0, {})
    for delivery in deliveries:
        if data.draw(st.booleans()):
            kept = Account(1, kept.watermark, dict(kept.above))
        assert kept.claim(delivery) is at_once.claim(delivery)
        assert (kept.watermark, kept.above) == (at_once.watermark, at_once.above)


@given(deliveries_in_any_order(), st.integers(1, 60), st.integers(0, 4))
def test_a_delivery_cut_differently_is_never_taken(deliveries: list[Numbers], first: int, more: int) -> None:
    account = Account(1, 0, {})
    for delivery in deliveries:
        account.claim(delivery)
    before = (account.watermark, dict(account.above), account.published)
    last = account.watermark
    if first <= last < first + more:
        assert account.claim(numbers(first, first + more)) is Standing.OVERLAPPING
        assert (account.watermark, account.above, account.published) == before


def test_a_gap_below_what_was_confirmed_earlier_is_proven_missing() -> None:
    account = Account(1, 0, {})
    account.claim(numbers(1, 10))
    account.claim(numbers(21, 30, confirmed=20))
    assert account.watermark == 10
    assert account.proven == 20
    assert account.above == {21: 30}


def test_a_number_lost_for_good_costs_one_run_however_many_deliveries_follow() -> None:
    account = Account(1, 0, {})
    account.claim(numbers(1, 10))
    for first in range(21, 1_021, 10):
        account.claim(numbers(first, first + 9))
    assert (account.watermark, account.above) == (10, {21: 1_020})
    assert account.claim(numbers(501, 510)) is Standing.REDELIVERED
    assert account.claim(numbers(1_011, 1_030)) is Standing.OVERLAPPING


@given(deliveries_in_any_order())
def test_what_is_written_is_what_changed(deliveries: list[Numbers]) -> None:
    written: dict[int, int] = {}
    watermark = 0
    for delivery in deliveries:
        account = Account(1, watermark, dict(written))
        account.claim(delivery)
        for first in account.gone:
            del written[first]
        written |= account.changed
        watermark = account.watermark
        assert written == account.above
        runs = sorted(written.items())
        assert all(end + 1 < begin for (_, end), (begin, _) in pairwise(runs))
        assert all(begin > watermark + 1 for begin, _ in runs)


def test_what_a_delivery_says_of_itself_proves_nothing_about_itself() -> None:
    account = Account(1, 0, {})
    account.claim(numbers(5, 9, confirmed=100))
    assert account.proven == 4


@st.composite
def deliveries_with_losses(draw: st.DrawFn) -> list[Numbers]:
    """Some lost, some late, some twice; each says how far its producer's confirms had come."""
    deliveries = draw(deliveries_in_any_order())
    kept = [one for one in deliveries if draw(st.booleans())]
    return [numbers(one.first, one.last, draw(st.integers(0, one.last + 3))) for one in kept]


@given(deliveries_with_losses(), st.data())
def test_missing_is_what_is_proven_and_not_settled_also_when_only_neighbours_are_read(
    deliveries: list[Numbers], data: st.DataObject
) -> None:
    settled: set[int] = set()
    proven = 0
    account = Account(1, 0, {})
    written: dict[int, int] = {}
    batch: list[Numbers] = []
    for delivery in deliveries:
        batch.append(delivery)
        if data.draw(st.booleans()):
            continue
        low, high = neighbourhood(batch, proven=proven)
        begin = max((first for first in written if first <= low), default=0)
        near = {first: last for first, last in written.items() if begin <= first <= high}
        account = Account(1, account.watermark, near, account.proven, account.published, 0, account.missing)
        for one in batch:
            inside = set(range(one.first, one.last + 1))
            if account.claim(one) is Standing.NEW:
                assert not inside & settled
                settled |= inside
                proven = max(proven, min(one.confirmed, one.first - 1))
            else:
                assert inside & settled
        written = {first: last for first, last in written.items() if first not in account.gone} | account.changed
        batch = []
        assert account.proven == proven
        assert account.missing == len(set(range(1, proven + 1)) - settled)
        runs = {n for first, last in written.items() for n in range(first, last + 1)}
        assert runs | set(range(1, account.watermark + 1)) == settled
