"""Validated rows in columns: kept as bytes, sorted by series and time. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from telltale_query.imports.numbers import Floats
from telltale_query.imports.times import Integers

Lines = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.uint32]
Selection = npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice


class _Payload(msgspec.Struct, array_like=True):
    position: bytes
    observed_at: bytes
    value: bytes
    line: bytes
    noted: bytes
    notes: list[str]


@dataclass(frozen=True)
class Block:
    """Some rows of a file."""

    position: Positions
    """Of the series, in the file's :class:`telltale_query.imports.series.SeriesTable`."""
    observed_at: Integers
    """µs since 1970-01-01 UTC."""
    value: Floats
    line: Lines
    noted: Integers
    """Which rows have a note, ascending."""
    notes: list[str]
    """The notes of these rows."""

    def __len__(self) -> int:
        return len(self.value)

    @property
    def size(self) -> int:
        """Memory that it takes, roughly."""
        return len(self) * 24 + sum(map(len, self.notes)) * 2 + len(self.notes) * 64

    def take(self, selection: Selection) -> "Block":
        """The rows that ``selection`` names, in its order."""
        noted, notes = self._notes_of(selection) if self.notes else (self.noted, self.notes)
        return Block(
            self.position[selection], self.observed_at[selection], self.value[selection], self.line[selection],
            noted, notes,
        )  # fmt: skip

    def _notes_of(self, selection: Selection) -> tuple[Integers, list[str]]:
        which = np.full(len(self), -1, np.int64)
        which[self.noted] = np.arange(len(self.notes))
        chosen = which[selection]
        noted = np.flatnonzero(chosen >= 0)
        return noted, [self.notes[at] for at in chosen[noted]]

    def sorted(self) -> "Block":
        """By series and time; what stands further up in the file comes first among equals."""
        return self.take(np.lexsort((self.observed_at, self.position)))

    def cut(self, rows: int) -> Iterator["Block"]:
        """In blocks of at most ``rows``."""
        for begin in range(0, len(self), rows):
            yield self.take(slice(begin, begin + rows))

    def repeats(self, before: "Block | None") -> npt.NDArray[np.bool_]:
        """Which rows (sorted) have the series and time of the row before; ``before`` holds what precedes the first."""
        first = (
            before is not None
            and len(before) > 0
            and before.position[-1] == self.position[0]
            and before.observed_at[-1] == self.observed_at[0]
        )
        same = (np.diff(self.position) == 0) & (np.diff(self.observed_at) == 0)
        return np.concatenate([[first], same])

    def note_column(self) -> list[str | None] | None:
        """The note of each row, or None where no row has one."""
        if not self.notes:
            return None
        column: list[str | None] = [None] * len(self)
        for row, note in zip(self.noted.tolist(), self.notes, strict=True):
            column[row] = note
        return column

    def encode(self) -> bytes:
        """As it is kept in the database."""
        return msgspec.msgpack.encode(
            _Payload(
                self.position.tobytes(), self.observed_at.tobytes(), self.value.tobytes(), self.line.tobytes(),
                self.noted.astype(np.uint32).tobytes(), self.notes,
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, payload: bytes) -> "Block":
        """What :meth:`encode` has made."""
        kept = msgspec.msgpack.decode(payload, type=_Payload)
        return cls(
            np.frombuffer(kept.position, np.uint32),
            np.frombuffer(kept.observed_at, np.int64),
            np.frombuffer(kept.value, np.float64),
            np.frombuffer(kept.line, np.uint32),
            np.frombuffer(kept.noted, np.uint32).astype(np.int64),
            kept.notes,
        )


def joined(blocks: Sequence[Block]) -> Block:
    """``blocks`` one after another."""
    if len(blocks) == 1:
        return blocks[0]
    starts = np.cumsum([0, *map(len, blocks)])
    return Block(
        _concatenated((block.position for block in blocks), np.uint32),
        _concatenated((block.observed_at for block in blocks), np.int64),
        _concatenated((block.value for block in blocks), np.float64),
        _concatenated((block.line for block in blocks), np.uint32),
        _concatenated((block.noted + start for block, start in zip(blocks, starts, strict=False)), np.int64),
        [note for block in blocks for note in block.notes],
    )


_Number = TypeVar("_Number", np.uint32, np.int64, np.float64)


def _concatenated(parts: Iterable[npt.NDArray[_Number]], dtype: type[_Number]) -> npt.NDArray[_Number]:
    return np.concatenate([np.zeros(0, dtype), *parts])
