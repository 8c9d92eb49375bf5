"""From the bytes of a delivery to checked columns. Pure.

The fast path decodes and checks whole columns. A delivery that it refuses is read once more leniently, reading by
reading, so that one bad reading does not take its neighbours along.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from telltale_shared.contracts import MalformedMessage, ReadingBatch, SeriesKey, decode
from telltale_shared.store.dead_letters import DeadLetter
from telltale_shared.store.ledger import Numbers
from telltale_shared.store.records import Floats, Integers
from telltale_shared.validation import (
    VALUE_MAX,
    Rejected,
    TimeBounds,
    check_series,
    check_time,
    check_value,
    is_name,
)

PRODUCER_MAX = 64
COUNT_MAX = 1_000_000
NUMBER_MAX = 2**63 - 1
GIVEN_UP = "the broker gave it up after too many deliveries"
TOLD_MAX = 200
"""Characters of a name that a dead letter repeats."""


@dataclass(frozen=True)
class DecodedDelivery:
    """One delivery with its good readings in columns and its bad ones as dead letters."""

    tag: int
    numbers: Numbers | None
    """None where the message did not tell which numbers it covers."""
    series: list[SeriesKey] = field(default_factory=list)
    offset: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """Per good reading: its number minus the first number."""
    index: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """Per good reading: its position in ``series``."""
    observed_at: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    value: Floats = field(default_factory=lambda: np.zeros(0, np.float64))
    dead: list[DeadLetter] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.value)

    def after_an_attempt(self) -> "DecodedDelivery":
        """The same once somebody tried to store it, which may have succeeded without his knowing."""
        return replace(self, dead=[letter.after_an_attempt() for letter in self.dead]) if self.dead else self

    def without(self, refused: Mapping[int, Rejected]) -> "DecodedDelivery":
        """The same delivery with the good readings at positions ``refused`` made dead letters."""
        keep = np.ones(len(self), np.bool_)
        keep[list(refused)] = False
        letters = [self.letter(position, rejected) for position, rejected in refused.items()]
        return replace(
            self,
            offset=self.offset[keep],
            index=self.index[keep],
            observed_at=self.observed_at[keep],
            value=self.value[keep],
            dead=[*self.dead, *letters],
        )

    def letter(self, position: int, rejected: Rejected) -> DeadLetter:
        """The dead letter of the good reading at ``position``."""
        key = self.series[int(self.index[position])]
        return _letter(
            self.numbers, int(self.offset[position]), rejected, key, int(self.observed_at[position]),
            float(self.value[position]),
        )  # fmt: skip


def _letter(
    numbers: Numbers | None, offset: int, rejected: Rejected, key: SeriesKey | None, observed_at: object, value: object
) -> DeadLetter:
    # A name that is far too long is refused for that: each letter of its series needs only the beginning.
    reading = {
        "source": key.source[:TOLD_MAX] if key else None,
        "category": key.category[:TOLD_MAX] if key else None,
        "unit": key.unit[:TOLD_MAX] if key and key.unit else None,
        "observed_at": observed_at,
        "value": value,
    }
    return DeadLetter(
        rejected.reason,
        rejected.detail,
        json.dumps(reading, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace"),
        producer=numbers.producer if numbers else None,
        number=numbers.first + offset if numbers else None,
    )


def decode_delivery(
    body: bytes, *, tag: int, headers: Mapping[str, object], redelivered: bool, bounds: TimeBounds
) -> DecodedDelivery:
    """Decode and check one delivery of readings.

    Args:
        body: the message.
        tag: the broker's delivery tag.
        headers: AMQP headers; ``producer``, ``first`` and ``count`` account for a body that cannot be read.
        redelivered: whether the broker delivered it before.
        bounds: the times that readings may have.
    """
    try:
        message = decode(body)
    except MalformedMessage as error:
        try:
            lenient = _decode_leniently(body, tag, bounds)
        except (ValueError, RecursionError):  # no JSON at all, or nested too deeply to be told of
            lenient = None
        if lenient is not None:
            return lenient
        return unreadable(body, str(error), tag=tag, headers=headers, redelivered=redelivered)
    if not isinstance(message, ReadingBatch):
        return unreadable(
            body, "not a batch of readings", tag=tag, headers=headers, redelivered=redelivered, reason="unexpected"
        )
    count = len(message.value)
    numbers = _numbers(message.producer, message.service, message.first, count, message.confirmed)
    if numbers is None or len(message.index) != count or len(message.observed_at) != count:
        return unreadable(
            body,
            "numbers out of range, or columns of unequal length",
            tag=tag,
            headers=headers,
            redelivered=redelivered,
        )
    checked = _check_columns(message, numbers, tag, bounds)
    if checked is not None:
        return checked
    return _check_one_by_one(numbers, tag, bounds, message.series, message.index, message.observed_at, message.value)


def _numbers(producer: object, service: object, first: object, count: object, confirmed: object) -> Numbers | None:
    if not (isinstance(producer, str) and is_name(producer, PRODUCER_MAX)):
        return None
    if not (_is_whole(first) and _is_whole(count) and 1 <= count <= COUNT_MAX and 1 <= first <= NUMBER_MAX - count):  # type: ignore[operator]  # _is_whole has checked that they are integers
        return None
    name = service if isinstance(service, str) and service.isprintable() and service else "unknown"
    known = confirmed if _is_whole(confirmed) else 0
    return Numbers(producer, name[:PRODUCER_MAX], first, first + count - 1, known)  # type: ignore[arg-type,operator]  # as above


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_columns(message: ReadingBatch, numbers: Numbers, tag: int, bounds: TimeBounds) -> DecodedDelivery | None:
    """The delivery when every reading of it is good, else None."""
    if any(check_series(key.source, key.category, key.unit) for key in message.series):
        return None
    try:
        index = np.array(message.index, np.int64)
        observed_at = np.array(message.observed_at, np.int64)
    except OverflowError:
        return None
    value = np.array(message.value, np.float64)
    good = (
        index.min() >= 0
        and index.max() < len(message.series)
        and observed_at.min() >= bounds.earliest
        and observed_at.max() < bounds.latest
        and np.abs(value).max() <= VALUE_MAX  # not so when one of them is no number
    )
    if not good:
        return None
    return DecodedDelivery(
        tag, numbers, message.series, np.arange(len(value), dtype=np.int64), index, observed_at, value
    )


def _check_one_by_one(
    numbers: Numbers,
    tag: int,
    bounds: TimeBounds,
    series: list[SeriesKey],
    index: list[int],
    observed_at: list[int],
    value: list[float],
) -> DecodedDelivery:
    refused_series = [check_series(key.source, key.category, key.unit) for key in series]
    good: list[int] = []
    dead: list[DeadLetter] = []
    for offset, (which, at, measured) in enumerate(zip(index, observed_at, value, strict=True)):
        known = isinstance(which, int) and not isinstance(which, bool) and 0 <= which < len(series)
        rejected = (
            (
                refused_series[which]
                if known
                else Rejected("bad_index", f"no series number {which!r:.50} in this delivery")
            )
            or check_time(at, bounds)
            or check_value(measured)
        )
        if rejected is None:
            good.append(offset)
        else:
            dead.append(_letter(numbers, offset, rejected, series[which] if known else None, at, measured))
    return DecodedDelivery(
        tag,
        numbers,
        series,
        np.array(good, np.int64),
        np.array([index[offset] for offset in good], np.int64),
        np.array([observed_at[offset] for offset in good], np.int64),
        np.array([value[offset] for offset in good], np.float64),
        dead,
    )


def _decode_leniently(body: bytes, tag: int, bounds: TimeBounds) -> DecodedDelivery | None:
    """The delivery when its frame is sound and only readings in it are not, else None.

    Raises:
        ValueError: not JSON.
        RecursionError: nested too deeply.
    """
    message = json.loads(body)
    if not isinstance(message, dict) or message.get("schema") != "reading_batch/1":
        return None
    columns = [message.get(name) for name in ("index", "observed_at", "value")]
    if not all(isinstance(column, list) for column in columns) or len({len(column or []) for column in columns}) != 1:
        return None
    index, observed_at, value = (list(column or []) for column in columns)
    numbers = _numbers(
        message.get("producer"), message.get("service"), message.get("first"), len(value), message.get("confirmed")
    )
    if numbers is None or not isinstance(message.get("series"), list):
        return None
    series = [_lenient_key(entry) for entry in message["series"]]
    return _check_one_by_one(numbers, tag, bounds, series, index, observed_at, value)


def _lenient_key(entry: object) -> SeriesKey:
    """The series that ``entry`` names; one that is no series becomes an empty name, which the validator refuses."""
    if isinstance(entry, list) and 2 <= len(entry) <= 3 and all(isinstance(part, str | None) for part in entry):
        return SeriesKey(entry[0] or "", entry[1] or "", entry[2] if len(entry) == 3 else None)
    return SeriesKey("", "", None)


def unreadable(
    body: bytes,
    detail: str,
    *,
    tag: int,
    headers: Mapping[str, object],
    redelivered: bool,
    reason: str = "malformed",
) -> DecodedDelivery:
    """The whole message as one dead letter, accounted for by its headers where they tell the numbers."""
    numbers = _numbers(headers.get("producer"), "unknown", headers.get("first"), headers.get("count"), 0)
    return _whole(body, reason, detail, numbers, tag, redelivered)


def given_up(
    body: bytes, *, tag: int, headers: Mapping[str, object], redelivered: bool, bounds: TimeBounds
) -> DecodedDelivery:
    """A delivery that RabbitMQ itself gave up on as one dead letter, accounted for by its body or else its headers."""
    numbers = decode_delivery(body, tag=tag, headers=headers, redelivered=redelivered, bounds=bounds).numbers
    return _whole(body, "delivery_limit", GIVEN_UP, numbers, tag, redelivered)


def _whole(
    body: bytes, reason: str, detail: str, numbers: Numbers | None, tag: int, redelivered: bool
) -> DecodedDelivery:
    letter = DeadLetter(
        reason,
        detail,
        body,
        producer=numbers.producer if numbers else None,
        number=numbers.first if numbers else None,
        count=numbers.last - numbers.first + 1 if numbers else 1,
        maybe_known=redelivered and numbers is None,
    )
    return DecodedDelivery(tag, numbers, dead=[letter])
