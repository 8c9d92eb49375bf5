"""What becomes of deliveries that no honest producer sends. No servers."""

import json

import pytest

from telltale_shared.contracts import ReadingBatch, SeriesKey, encode
from telltale_shared.validation import DAY, TimeBounds
from telltale_writer.decode import DecodedDelivery, decode_delivery

NOW = 1_800_000_000_000_000
COLUMNS = b'"index":[0],"observed_at":[1800000000000000],"value":[1.0]'


def one_reading(*, producer: str = "p", source: str = "a") -> bytes:
    body = encode(
        ReadingBatch(
            producer=producer, service="test", first=7, confirmed=0, published_at=NOW,
            series=[SeriesKey(source, "load")], index=[0], observed_at=[NOW], value=[1.0],
        )
    )  # fmt: skip
    assert COLUMNS in body
    return body


def decoded(body: bytes, **headers: object) -> DecodedDelivery:
    bounds = TimeBounds.around(NOW, retention=365 * DAY)
    return decode_delivery(body, tag=1, headers=headers, redelivered=False, bounds=bounds)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (b'"index":[0],"observed_at":[1800000000000000],"value":["x"]', "not_a_number"),
        (b'"index":[0],"observed_at":[1800000000000000],"value":[NaN]', "not_finite"),
        (b'"index":[0],"observed_at":[1800000000000000],"value":[1e999]', "not_finite"),
        (b'"index":[0],"observed_at":[1800000000000000],"value":[%s]' % (b"9" * 400), "out_of_range"),
        (b'"index":[0],"observed_at":[%s],"value":[1]' % (b"9" * 400), "in_the_future"),
        (b'"index":[9223372036854775808],"observed_at":[1800000000000000],"value":[1]', "bad_index"),
        (b'"index":[-1],"observed_at":[1800000000000000],"value":[1]', "bad_index"),
        (b'"index":["\\ud800"],"observed_at":[1800000000000000],"value":[1]', "bad_index"),
    ],
)
def test_a_delivery_of_bad_readings_alone_keeps_their_numbers_and_reasons(columns: bytes, reason: str) -> None:
    delivery = decoded(one_reading().replace(COLUMNS, columns))
    assert delivery.numbers is not None
    assert (delivery.numbers.first, delivery.numbers.last, len(delivery)) == (7, 7, 0)
    [letter] = delivery.dead
    assert (letter.reason, letter.producer, letter.number, letter.count) == (reason, "p", 7, 1)
    letter.detail.encode()


def test_any_depth_of_nesting_ends_in_a_dead_letter() -> None:
    for depth in (1, 50, *range(850, 1_010), 100_000):
        nested = b"[" * depth + b"]" * depth
        for name in (b"index", b"observed_at", b"value"):
            columns = COLUMNS.replace(b'"%s":[' % name, b'"%s":[%s,' % (name, nested), 1).replace(b",0]", b"]")
            for value in (b",1800000000000000]", b",1.0]"):
                columns = columns.replace(nested + value, nested + b"]")
            delivery = decoded(one_reading().replace(COLUMNS, columns), producer="p", first=7, count=1)
            assert [letter.number for letter in delivery.dead] == [7]


def test_dead_letters_do_not_multiply_a_long_name() -> None:
    body = encode(
        ReadingBatch(
            producer="p", service="test", first=1, confirmed=0, published_at=NOW,
            series=[SeriesKey("a" * 100_000, "load", "b" * 100_000)], index=[0] * 500, observed_at=[NOW] * 500,
            value=[1.0] * 500,
        )
    )  # fmt: skip
    letters = decoded(body).dead
    assert {letter.reason for letter in letters} == {"bad_source"}
    assert sum(len(letter.payload) for letter in letters) < 2 * len(body)
    assert set(json.loads(letters[0].payload)["source"]) == {"a"}


@pytest.mark.parametrize("producer", ["", "p ", " p", "p\x00", "p\t", "p" * 65])
def test_a_producer_that_the_ledger_could_not_tell_from_another_gets_no_account(producer: str) -> None:
    delivery = decoded(one_reading(producer=producer))
    assert delivery.numbers is None
    assert [letter.reason for letter in delivery.dead] == ["malformed"]


@pytest.mark.parametrize("source", ["", "a ", " a", "a\x00", "a" * 101])
def test_a_series_that_the_database_could_not_tell_from_another_is_refused(source: str) -> None:
    assert [letter.reason for letter in decoded(one_reading(source=source)).dead] == ["bad_source"]
