"""Records as Parquet: typed columns, for programs that read many at once."""

import json
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_query.exports.manifest import Manifest
from telltale_query.exports.reading import Batch

ROW_GROUP = 131_072
"""Rows of a row group, about: what a reader and we hold at once."""

MANIFEST = "telltale.manifest"
"""Under which key the metadata of the file hold the manifest, as JSON."""

INSTANT = pa.timestamp("us", tz="UTC")
_WORDS = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("source", _WORDS, nullable=False),
        pa.field("category", _WORDS, nullable=False),
        pa.field("observed_at", INSTANT, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("unit", _WORDS),
        pa.field("note", pa.string()),
        pa.field("anomaly_score", pa.float64()),
        pa.field("anomaly_verdict", _WORDS),
    ]
)


_ABSENT = -1


class _Words:
    """A column of few different texts: each once, and for every row the place of its own."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._gathered: list[npt.NDArray[np.int32]] = []

    def add(self, texts: Sequence[str | None], chosen: npt.NDArray[np.intp]) -> None:
        """Append ``texts[n]`` for every n of ``chosen``."""
        places = [_ABSENT if text is None else self._places.setdefault(text, len(self._places)) for text in texts]
        self._gathered.append(np.array(places, dtype=np.int32)[chosen])

    def take(self) -> pa.DictionaryArray:
        """What was appended since the last time."""
        places = np.concatenate(self._gathered)
        self._gathered.clear()
        indices = pa.array(places, mask=places == _ABSENT)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(self._places), pa.string()))


class ParquetFile:
    """A Parquet file in the making: ``write`` as often as needed, then ``finish``.

    Leaving the block without ``finish`` lets go of what was written. Methods block and may run in any one thread at a
    time.
    """

    def __init__(self, output: BinaryIO) -> None:
        # Dictionaries of times and values would be thrown away again, and take 64 MB until then.
        words = [field.name for field in SCHEMA if field.type == _WORDS]
        self._writer = pq.ParquetWriter(output, SCHEMA, compression="zstd", use_dictionary=words)
        self._source, self._category, self._unit, self._verdict = _Words(), _Words(), _Words(), _Words()
        self._others: list[tuple[pa.Array, ...]] = []
        self._rows = 0

    def __enter__(self) -> "ParquetFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, batch: Batch, lines: bytes) -> None:
        """Append the records of ``batch``."""
        series_id, at, value, note = zip(*batch.rows, strict=True)
        ids, place = np.unique(np.array(series_id), return_inverse=True)
        series = [batch.series[one] for one in ids.tolist()]
        self._source.add([one.source for one in series], place)
        self._category.add([one.category for one in series], place)
        self._unit.add([one.unit for one in series], place)
        judged = [batch.judgements.get(key, (None, None)) for key in zip(series_id, at, strict=True)]
        self._verdict.add([verdict for _, verdict in judged], np.arange(len(judged)))
        self._others.append(
            (
                pa.array(np.array(at, dtype="datetime64[us]"), INSTANT),
                pa.array(value, pa.float64()),
                pa.array(note, pa.string()),
                pa.array([score for score, _ in judged], pa.float64()),
            )
        )
        self._rows += len(batch.rows)
        if self._rows >= ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        at, value, note, score = (pa.concat_arrays(parts) for parts in zip(*self._others, strict=True))
        self._others.clear()
        words = (column.take() for column in (self._source, self._category, self._unit, self._verdict))
        source, category, unit, verdict = words
        table = pa.Table.from_arrays([source, category, at, value, unit, note, score, verdict], schema=SCHEMA)
        self._writer.write_table(table, row_group_size=self._rows)
        self._rows = 0

    def finish(self, manifest: Manifest) -> None:
        """Complete the file, with what it says of itself."""
        if self._rows:
            self._write_group()
        said = json.dumps(dict(manifest.entries()), ensure_ascii=False)
        self._writer.add_key_value_metadata({MANIFEST: said})
        self._writer.close()
