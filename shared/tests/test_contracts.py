"""Every version of every contract that was ever published stays readable, and what is written today stays the same."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_shared.contracts import (
    AlertChanged,
    AnomalyDetected,
    ExpectedRanges,
    Heartbeat,
    LogEvent,
    MalformedMessage,
    ProducerState,
    ReadingBatch,
    Sensitivities,
    SeriesKey,
    SeriesLimits,
    decode,
    encode,
    schema_of,
)
from telltale_shared.contracts.codec import Message

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED: dict[str, Message] = {
    "alert_changed/1": AlertChanged(
        alert="41",
        number=1207,
        rule="3",
        name="Press too hot",
        kind="threshold",
        severity="critical",
        source="press-1",
        category="temperature",
        unit="°C",
        state="silenced",
        since=1_795_468_141_000_000,
        at=1_795_468_261_000_000,
        value=97.25,
        explanation="97.25 °C, above 90 °C for 2 min.",
        by="Ada",
        until=1_795_471_861_000_000,
    ),
    "sensitivities/1": Sensitivities(
        at=1_795_468_261_001_533, series=[SeriesLimits("press-1", "temperature", {"spike": 7.5, "flatline": 6.0})]
    ),
    "reading_batch/1": ReadingBatch(
        producer="generator-1a20a3f730c4c1eda96",
        service="generator",
        first=17,
        confirmed=8,
        published_at=1_795_468_261_001_533,
        series=[SeriesKey("press-1", "temperature", "°C"), SeriesKey("line-1", "load")],
        index=[0, 1, 0],
        observed_at=[1_795_468_260_000_000, 1_795_468_260_000_000, 1_795_468_261_000_000],
        value=[61.93, -0.5, 1e300],
    ),
    "anomaly_detected/1": AnomalyDetected(
        source="press-1",
        category="temperature",
        unit="°C",
        observed_at=1_795_468_261_000_000,
        value=71.2,
        score=9.4,
        expected_low=60.8,
        expected_high=63.1,
        kind="spike",
        detector="robust",
        version="1",
        explanation="71.2 °C lies 9.4 deviations above the expected 60.8 to 63.1 °C.",
        detected_at=1_795_468_261_104_000,
    ),
    "heartbeat/1": Heartbeat(
        service="generator",
        instance="generator@host:4711",
        version="0.1.0",
        started_at=1_795_468_200_000_000,
        at=1_795_468_265_000_000,
        health="degraded",
        memory_bytes=61_865_984,
        dependencies={"broker": "ok", "spool": "12 deliveries wait for the broker, which confirmed none for 6 s"},
        figures={"published": 520.0, "retries": 3.0},
        producers=[
            ProducerState(producer="generator-1a20a3f730c4c1eda96", published=520, confirmed=424, dropped=2),
            ProducerState(producer="generator-1a20a3e0d2b77120f53", published=96, confirmed=96, closed=True),
        ],
    ),
    "expected_ranges/1": ExpectedRanges(
        detector="telltale",
        at=1_795_468_261_104_000,
        series=[SeriesKey("press-1", "temperature", "°C"), SeriesKey("line-1", "load")],
        observed_at=[1_795_468_261_000_000, 1_795_468_260_000_000],
        low=[60.8, -1.5],
        high=[63.1, 2.25],
    ),
    "log/1": LogEvent(
        service="writer",
        instance="writer@host:4712",
        at=1_795_468_261_104_000,
        level="warning",
        logger="telltale.broker",
        message="broker connection lost",
        fields={"link": "writer", "error": "ConnectionResetError()"},
    ),
}
"""What each golden payload says, in the words of today's code. Add to it; change nothing that was released."""

readings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2**62), st.floats(allow_nan=False, allow_infinity=False)), max_size=30
)


def _body(schema: str) -> bytes:
    return (GOLDEN / f"{schema.replace('/', '-')}.json").read_bytes().strip()


def test_there_is_a_golden_payload_for_every_contract_and_no_other_file() -> None:
    current = {schema_of(message) for message in get_args(Message)}
    assert current <= PUBLISHED.keys()
    assert {file.stem for file in GOLDEN.glob("*.json")} == {schema.replace("/", "-") for schema in PUBLISHED}


@pytest.mark.parametrize("schema", PUBLISHED)
def test_an_old_payload_is_read_as_it_was_meant(schema: str) -> None:
    assert decode(_body(schema)) == PUBLISHED[schema]


@pytest.mark.parametrize("schema", PUBLISHED)
def test_what_is_written_today_is_what_was_written_then(schema: str) -> None:
    assert json.loads(encode(PUBLISHED[schema])) == json.loads(_body(schema))
    assert schema_of(PUBLISHED[schema]) == schema


@pytest.mark.parametrize("schema", PUBLISHED)
def test_a_field_that_a_newer_version_added_is_read_over(schema: str) -> None:
    newer = json.loads(_body(schema)) | {"added_later": [1, 2]}
    assert decode(json.dumps(newer).encode()) == PUBLISHED[schema]


@given(readings)
def test_a_batch_comes_back_as_it_was_and_encodes_the_same_again(rows: list[tuple[int, int, float]]) -> None:
    batch = ReadingBatch(
        producer="p",
        service="s",
        first=5,
        confirmed=4,
        published_at=1,
        series=[SeriesKey("a", "b", "°C"), SeriesKey("a", "c"), SeriesKey("\u2028", '"')],
        index=[row[0] for row in rows],
        observed_at=[row[1] for row in rows],
        value=[row[2] for row in rows],
    )
    body = encode(batch)
    assert decode(body) == batch
    assert encode(decode(body)) == body
    assert batch.count == len(rows)
    assert batch.last == 4 + len(rows)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"schema":"reading_batch/99"}',
        b'{"schema":"reading_batch/1"}',
        b'{"first":1}',
        b'{"schema":7}',
        _body("reading_batch/1").replace(b"61.93", b"NaN"),
        _body("reading_batch/1").replace(b"61.93", b'"61.93"'),
        _body("reading_batch/1").replace(b"61.93", b"null"),
        _body("reading_batch/1")[:-1],
    ],
)
def test_what_is_no_message_is_malformed_and_says_why(body: bytes) -> None:
    with pytest.raises(MalformedMessage, match=r".+"):
        decode(body)


@given(st.binary(max_size=100))
def test_no_bytes_do_more_than_be_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body)


def test_a_contract_cannot_be_changed_by_who_reads_it() -> None:
    assert all(message.__struct_config__.frozen for message in PUBLISHED.values())
