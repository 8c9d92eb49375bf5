"""Batches: closed by size or by age, and whether they show that the writer does not keep up."""

import numpy as np

from telltale_writer.batcher import BEHIND_SECONDS, Batcher
from telltale_writer.decode import DecodedDelivery


def delivery(tag: int, readings: int) -> DecodedDelivery:
    return DecodedDelivery(tag, None, value=np.zeros(readings))


def test_a_batch_is_due_when_it_is_old_or_full() -> None:
    batcher = Batcher(max_rows=10, max_deliveries=3, max_age=0.1)
    assert batcher.wait(5.0) is None
    batcher.add(delivery(1, 4), 5.0)
    assert batcher.wait(5.04) is not None
    assert 0 < (batcher.wait(5.04) or 0) <= 0.06 + 1e-9
    assert batcher.wait(5.2) == 0.0
    batcher.add(delivery(2, 6), 5.05)
    assert batcher.wait(5.05) == 0.0
    assert [one.tag for one in batcher.take().deliveries] == [1, 2]
    assert batcher.wait(5.05) is None


def test_a_batch_is_full_with_so_many_deliveries_however_small() -> None:
    batcher = Batcher(max_rows=10, max_deliveries=3, max_age=0.1)
    for tag in (1, 2, 3):
        assert batcher.wait(5.0) != 0.0
        batcher.add(delivery(tag, 1), 5.0)
    assert batcher.wait(5.0) == 0.0
    assert batcher.take().full


def test_full_and_old_batches_show_that_the_writer_is_behind() -> None:
    batcher = Batcher(max_rows=10, max_deliveries=3, max_age=0.1)
    batcher.add(delivery(1, 4), 5.0)
    prompt = batcher.take()
    assert not prompt.is_behind(5.1)
    assert prompt.is_behind(5.0 + BEHIND_SECONDS)
    batcher.add(delivery(2, 10), 6.0)
    assert batcher.take().is_behind(6.0)
