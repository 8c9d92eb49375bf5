"""What was sent and what was confirmed: two lists on disk, synced before anything is built on them.

They are the prover's own. Nothing in them comes from the product's bookkeeping, so that the two can be compared.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sent:
    """One reading as it was sent."""

    number: int
    category: str
    observed_at: int
    """µs since 1970-01-01 UTC."""
    value: float
    reason: str | None = None
    """Why it must become a dead letter; None where it must be stored."""


@dataclass(frozen=True)
class Delivery:
    """A run of readings that travels as one message, and the bytes that carry it."""

    readings: tuple[Sent, ...]
    body: bytes

    @property
    def first(self) -> int:
        """Number of its first reading."""
        return self.readings[0].number

    @property
    def last(self) -> int:
        """Number of its last reading."""
        return self.readings[-1].number


class SyncedList:
    """Lines of JSON that are on the disk once :meth:`append` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")

    async def append(self, lines: list[object]) -> None:
        """Write ``lines`` and wait for the disk."""
        text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        await asyncio.to_thread(self._write, text)

    def _write(self, text: bytes) -> None:
        self._file.write(text)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Lists:
    """The two lists of one load, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._attempted = SyncedList(folder / "attempted.jsonl")
        self._confirmed = SyncedList(folder / "confirmed.jsonl")

    async def attempt(self, deliveries: list[Delivery]) -> None:
        """Note ``deliveries``; only then may they be published."""
        await self._attempted.append(
            [[[r.number, r.category, r.observed_at, r.value, r.reason] for r in one.readings] for one in deliveries]
        )

    async def confirm(self, deliveries: list[Delivery]) -> None:
        """Note that the broker has confirmed ``deliveries``."""
        await self._confirmed.append([[one.first, one.last] for one in deliveries])

    def close(self) -> None:
        """Close both."""
        self._attempted.close()
        self._confirmed.close()


def read_attempted(folder: Path) -> Iterator[Sent]:
    """Every reading that may have been published."""
    with (folder / "attempted.jsonl").open() as lines:
        for line in lines:
            for reading in json.loads(line):
                yield Sent(*reading)


def read_confirmed(folder: Path) -> set[int]:
    """The number of every reading that the broker has confirmed."""
    with (folder / "confirmed.jsonl").open() as lines:
        return {number for line in lines for number in _range(json.loads(line))}


def _range(ends: list[int]) -> range:
    return range(ends[0], ends[1] + 1)
