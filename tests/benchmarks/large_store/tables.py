"""Bringing rows into MariaDB fast: as files, by the command-line client's LOAD DATA."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

_PLAIN = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")


class RowFile:
    """A file of rows for one table, written piece by piece."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._schema = schema
        self._writer = csv.CSVWriter(path, schema, write_options=_PLAIN)

    def append(self, columns: Mapping[str, Any]) -> pa.Table:
        """Write ``columns`` (arrays or values of every row) and return them as a table."""
        table = pa.table([pa.array(columns[field.name], field.type) for field in self._schema], schema=self._schema)
        self._writer.write_table(table)
        return table

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


@dataclass(frozen=True)
class Client:
    """The command-line client of one database."""

    command: Sequence[str]
    database: str

    def run(self, statements: str) -> str:
        """Run ``statements``; what they print, without the names of columns."""
        result = subprocess.run(
            [*self.command, "--local-infile=1", "--skip-column-names", self.database],
            input=statements,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout

    def load(self, path: Path, table: str, columns: str) -> None:
        """Load the rows of ``path`` into ``table`` and remove the file; ``columns`` may go on with ``SET …``."""
        self.run(
            "SET unique_checks = 0, foreign_key_checks = 0; "
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 {columns}"
        )
        path.unlink()
