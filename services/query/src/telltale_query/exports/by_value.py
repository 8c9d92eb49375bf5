"""An order by value, for which no index exists: all records are gathered in columns and sorted once."""

from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_query.exports.rows import Row

_NO_NOTE = -1


class ByValue:
    """Sorts records by value, then time and series.

    Notes wait on disk, so that a record takes 36 bytes, and for a moment twice that.
    """

    def __init__(self) -> None:
        self._columns: list[tuple[npt.NDArray[Any], ...]] = []
        self._notes = TemporaryFile(prefix="telltale-notes-")  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> "ByValue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._notes.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Gather ``rows``."""
        if not rows:
            return
        series_id, at, value, note = zip(*rows, strict=True)
        self._columns.append(
            (
                np.array(series_id, dtype=np.uint32),
                np.array(at, dtype="datetime64[us]"),
                np.array(value, dtype=np.float64),
                np.array([self._keep(text) for text in note], dtype=np.int64),
            )
        )

    def _keep(self, note: str | None) -> int:
        if note is None:
            return _NO_NOTE
        place = self._notes.tell()
        text = note.encode()
        self._notes.write(len(text).to_bytes(4, "big") + text)
        return place

    def _note(self, place: int) -> str | None:
        if place == _NO_NOTE:
            return None
        self._notes.seek(place)
        return self._notes.read(int.from_bytes(self._notes.read(4), "big")).decode()

    def batches(self, *, descending: bool, size: int) -> Iterator[list[Row]]:
        """All that was gathered, ``size`` at a time."""
        if not self._columns:
            return
        series_id, at, value, note = (np.concatenate(column) for column in zip(*self._columns, strict=True))
        self._columns.clear()
        order = np.lexsort((series_id, at, value))
        if descending:
            order = order[::-1]
        for begin in range(0, len(order), size):
            some = order[begin : begin + size]
            notes = (self._note(place) for place in note[some].tolist())
            yield list(zip(series_id[some].tolist(), at[some].tolist(), value[some].tolist(), notes, strict=True))
