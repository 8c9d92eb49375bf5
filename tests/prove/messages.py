"""The messages of the load: good ones, and bad ones of every kind with the reason that each must die of. Pure.

Written from the description of the wire format, not with the product's own encoder.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.prove.lists import Delivery, Sent

HOUR = 3_600_000_000
YEAR_9999 = 253_370_764_800_000_000
YEAR_1971 = 31_536_000_000_000

Message = dict[str, Any]


def good(readings: Sequence[Sent], *, producer: str, source: str, confirmed: int, published_at: int) -> Message:
    """The message that carries ``readings``."""
    categories = sorted({reading.category for reading in readings})
    return {
        "schema": "reading_batch/1",
        "producer": producer,
        "service": "prove",
        "first": readings[0].number,
        "confirmed": confirmed,
        "published_at": published_at,
        "series": [[source, category, "u"] for category in categories],
        "index": [categories.index(reading.category) for reading in readings],
        "observed_at": [reading.observed_at for reading in readings],
        "value": [reading.value for reading in readings],
    }


def encoded(message: Message) -> bytes:
    """JSON; Python writes NaN and infinity as no JSON parser should accept them."""
    return json.dumps(message, separators=(",", ":")).encode()


# --- one bad reading among good neighbours: what to put where, and why it dies

_IN_ONE_READING: dict[str, tuple[str, object, str]] = {
    "NaN": ("value", float("nan"), "not_finite"),
    "infinity": ("value", float("inf"), "not_finite"),
    "minus infinity": ("value", float("-inf"), "not_finite"),
    "1e300": ("value", 1e300, "out_of_range"),
    "text for a value": ("value", "heavy", "not_a_number"),
    "no value": ("value", None, "not_a_number"),
    "year 9999": ("observed_at", YEAR_9999, "in_the_future"),
    "year 1971": ("observed_at", YEAR_1971, "too_old"),
    "no such series": ("index", 10_000, "bad_index"),
}


def _one_reading(column: str, content: object, reason: str) -> "Spoil":
    def spoil(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
        position = rng.randrange(len(readings))
        values = list(message[column])
        values[position] = content
        marked = [replace(one, reason=reason) if at == position else one for at, one in enumerate(readings)]
        return Delivery(tuple(marked), encoded({**message, column: values}))

    return spoil


# --- whole messages


def _all_dead(readings: Sequence[Sent], reason: str, body: bytes) -> Delivery:
    return Delivery(tuple(replace(one, reason=reason) for one in readings), body)


def _no_json(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    return _all_dead(readings, "malformed", encoded(message)[: rng.randrange(1, 60)])


def _no_text(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del message
    return _all_dead(readings, "malformed", rng.randbytes(40) + b"\xff")


def _unknown_version(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del rng
    return _all_dead(readings, "malformed", encoded({**message, "schema": "reading_batch/99"}))


def _unequal_columns(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del rng
    return _all_dead(readings, "malformed", encoded({**message, "index": [*message["index"], 0]}))


def _long_name(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del rng
    series = [["x" * 1_000_000, category, unit] for _, category, unit in message["series"][:1]]
    body = encoded({**message, "series": series, "index": [0] * len(readings)})
    return _all_dead(readings, "bad_source", body)


def _no_category(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del rng
    series = [[source, "", unit] for source, _, unit in message["series"]]
    return _all_dead(readings, "bad_category", encoded({**message, "series": series}))


def _fast_clock(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    del rng
    shifted = [at + HOUR for at in message["observed_at"]]
    return _all_dead(readings, "in_the_future", encoded({**message, "observed_at": shifted}))


def _slow_clock(message: Message, readings: Sequence[Sent], rng: random.Random) -> Delivery:
    """An hour behind is late, and good."""
    del rng
    shifted = tuple(replace(one, observed_at=one.observed_at - HOUR) for one in readings)
    return Delivery(shifted, encoded({**message, "observed_at": [one.observed_at for one in shifted]}))


Spoil = Callable[[Message, Sequence[Sent], random.Random], Delivery]

HUGE = "name of 1 MB"
CLOCKS: dict[str, Spoil] = {"clock an hour ahead": _fast_clock, "clock an hour behind": _slow_clock}
POISONS: dict[str, Spoil] = {
    **{name: _one_reading(*what) for name, what in _IN_ONE_READING.items()},
    "no JSON": _no_json,
    "no text": _no_text,
    "unknown version": _unknown_version,
    "unequal columns": _unequal_columns,
    HUGE: _long_name,
    "no category": _no_category,
}
