import numpy as np

from telltale_writer.decode import DecodedDelivery
from telltale_writer.metrics import Rate

SECOND = 1_000_000


def delivery(*ages_seconds: float, now: int) -> DecodedDelivery:
    observed_at = np.array([now - round(age * SECOND) for age in ages_seconds], np.int64)
    return DecodedDelivery(1, None, observed_at=observed_at, value=np.zeros(len(ages_seconds)))


def test_the_heartbeat_says_how_old_readings_were_when_they_were_stored() -> None:
    now, rate = 1_795_467_600 * SECOND, Rate()
    rate.ages.take([delivery(*[0.2] * 19, 3.0, now=now)], now)
    figures = rate.figures()
    assert figures["stored_p50_ms"] == 200.0
    assert 200.0 < figures["stored_p95_ms"] <= 3_000.0
    assert "stored_p50_ms" not in rate.figures(), "nothing was stored since the last look"


def test_of_a_large_batch_the_newest_readings_stand_for_all() -> None:
    now, rate = 1_795_467_600 * SECOND, Rate()
    rate.ages.take([delivery(*[9.0] * 1_000, *[1.0] * 50, now=now)] * 2_000, now)
    figures = rate.figures()
    assert (figures["stored_p50_ms"], figures["stored_p95_ms"]) == (1_000.0, 1_000.0)
