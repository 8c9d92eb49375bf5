"""The spool against a model: any order of puts, confirms, deaths and reopenings."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telltale_generator.spool import Delivery, Spool, Spooled, SpooledProducer, SpoolUnusable


class SpoolMachine(RuleBasedStateMachine):
    """The model: deliveries in order, and how far each producer has come."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.spool = Spool(self.folder)
        self.start = 0
        self.waiting: list[Delivery] = []
        self.published: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    @property
    def producer(self) -> str:
        return f"generator-{self.start:04}"

    @rule(sizes=st.lists(st.tuples(st.integers(1, 5), st.binary(max_size=50)), max_size=4), dropped=st.integers(0, 3))
    def put(self, sizes: list[tuple[int, bytes]], dropped: int) -> None:
        first, deliveries = self.published.get(self.producer, 0) + 1, []
        for count, body in sizes:
            deliveries.append(Delivery(self.producer, first, count, body))
            first += count
        self.dropped[self.producer] = self.dropped.get(self.producer, 0) + dropped
        self.spool.put(self.producer, deliveries, self.dropped[self.producer])
        self.published[self.producer] = first - 1
        self.waiting += deliveries

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def put_fails_whole(self, data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(self.waiting))
        fresh = Delivery(again.producer, 1_000_000, 1, b"x")
        with pytest.raises(sqlite3.IntegrityError):
            self.spool.put(again.producer, [fresh, again], 0)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        spooled = self.everything()
        gone = data.draw(st.lists(st.sampled_from(spooled), unique_by=lambda one: one.place))
        self.spool.remove(gone)
        for one in gone:
            self.waiting.remove(one.delivery)

    @rule()
    def forget_those_who_are_done(self) -> None:
        busy = {one.producer for one in self.waiting}
        for producer in [name for name in self.published if name not in busy]:
            self.spool.forget(producer)
            if producer == self.producer:
                self.start += 1
            del self.published[producer], self.dropped[producer]

    @rule()
    def die_and_start_again(self) -> None:
        """The file as it is at this moment, opened by another process, so to say."""
        copy = Path(tempfile.mkdtemp(prefix="spool-"))
        for file in self.folder.iterdir():
            shutil.copy(file, copy)
        self.spool.close()
        shutil.rmtree(self.folder)
        self.folder, self.spool = copy, Spool(copy)
        self.start += 1

    @rule()
    def stop_and_start_again(self) -> None:
        self.spool.close()
        self.spool = Spool(self.folder)
        self.start += 1

    def everything(self) -> list[Spooled]:
        found: list[Spooled] = []
        while some := self.spool.after(found[-1].place if found else 0, 3):
            found += some
        return found

    @invariant()
    def holds_what_was_put_and_not_confirmed_in_order(self) -> None:
        assert [one.delivery for one in self.everything()] == self.waiting
        assert self.spool.waiting == len(self.waiting)
        assert self.spool.bytes == sum(one.cost for one in self.waiting)

    @invariant()
    def knows_how_far_each_producer_has_come(self) -> None:
        expected = []
        for producer, published in sorted(self.published.items()):
            firsts = [one.first for one in self.waiting if one.producer == producer]
            confirmed = min(firsts) - 1 if firsts else published
            expected.append(SpooledProducer(producer, published, confirmed, self.dropped[producer]))
        assert self.spool.producers() == expected

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_places_are_never_used_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put("a", [Delivery("a", 1, 1, b"x")], 0)
    (first,) = spool.after(0, 10)
    spool.remove([first])
    spool.put("a", [Delivery("a", 2, 1, b"y")], 0)
    assert [one.delivery.first for one in spool.after(first.place, 10)] == [2]
    spool.close()


def test_two_cannot_share_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolUnusable, match=r"in use by another generator \(process \d+\)"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_a_spool_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Spool(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.sqlite3") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SpoolUnusable, match="version is 99"):
        Spool(tmp_path)


def test_what_is_no_spool_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(SpoolUnusable, match="cannot be opened"):
        Spool(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SpoolUnusable, match="cannot be used"):
        Spool(tmp_path / "file")
