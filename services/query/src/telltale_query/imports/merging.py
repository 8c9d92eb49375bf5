"""Sorted runs merged into one sequence without repeats, a block at a time. Pure.

The merge works on whole blocks: what all runs hold up to the smallest of their last keys is complete, so it is taken at
once and sorted. It holds one block of each run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from telltale_query.imports.blocks import Block, joined

Key = tuple[int, int]
"""Position of the series, time."""


def merge(runs: Sequence[Iterable[Block]]) -> Iterator[Block]:
    """The rows of ``runs`` (each sorted, none of its blocks empty) sorted by series and time.

    Rows of an earlier run come first among equals. Equal keys may be spread over two blocks that follow each other.
    """
    cursors = [cursor for cursor in map(_Cursor, runs) if cursor.block is not None]
    while cursors:
        until = min(cursor.last for cursor in cursors)
        parts = [part for cursor in cursors if len(part := cursor.take(until))]
        yield joined(parts).sorted() if len(parts) > 1 else parts[0]
        cursors = [cursor for cursor in cursors if cursor.block is not None]


class _Cursor:
    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = iter(blocks)
        self.block = next(self._blocks, None)

    @property
    def last(self) -> Key:
        assert self.block is not None  # noqa: S101 - asked only while there is one
        return int(self.block.position[-1]), int(self.block.observed_at[-1])

    def take(self, until: Key) -> Block:
        """What of the current block is not after ``until``."""
        block = self.block
        assert block is not None  # noqa: S101 - asked only while there is one
        begin = int(np.searchsorted(block.position, until[0], "left"))
        end = int(np.searchsorted(block.position, until[0], "right"))
        count = begin + int(np.searchsorted(block.observed_at[begin:end], until[1], "right"))
        rest = len(block) - count
        self.block = block.take(slice(count, None)) if rest else next(self._blocks, None)
        return block.take(slice(0, count)) if rest else block


OnConflict = Callable[[int, int, float, float], None]
"""Told of a row whose series and time an earlier one has with another value: its line and that of the earlier one, its
value and that of the earlier one."""


class Deduplicator:
    """Keeps the first row of each series and time.

    Args:
        on_conflict: told of the later ones that have another value.
    """

    def __init__(self, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._leader: Block | None = None
        self.repeated = 0
        """Later rows with the value of the first."""
        self.conflicting = 0

    def keep(self, block: Block) -> Block:
        """What of ``block``, which follows all blocks before it, is the first of its series and time."""
        repeats = block.repeats(self._leader)
        if repeats.any():
            self._judge(block, repeats)
            kept = block.take(~repeats)
        else:
            kept = block
        if len(kept):
            self._leader = kept.take(slice(len(kept) - 1, None))
        return kept

    def _judge(self, block: Block, repeats: np.ndarray) -> None:
        # Position of the first of each row's equals, counted from 1; 0 stands for the leader of the block before.
        leaders = np.maximum.accumulate(np.where(repeats, 0, np.arange(1, len(block) + 1)))
        before = self._leader.value[-1] if self._leader is not None else 0.0
        lines_before = self._leader.line[-1] if self._leader is not None else 0
        values = np.concatenate([[before], block.value])[leaders]
        lines = np.concatenate([[lines_before], block.line])[leaders]
        other = repeats & (values != block.value)
        self.conflicting += int(other.sum())
        self.repeated += int(repeats.sum() - other.sum())
        for row in np.flatnonzero(other).tolist():
            self._on_conflict(int(block.line[row]), int(lines[row]), float(block.value[row]), float(values[row]))


def rechunked(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """``blocks`` in blocks of exactly ``rows``, but for the last."""
    held: list[Block] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= rows:
            whole = joined(held)
            full = count // rows * rows
            yield from whole.take(slice(0, full)).cut(rows)
            held = [whole.take(slice(full, None))] if full < count else []
            count -= full
    if count:
        yield joined(held)
