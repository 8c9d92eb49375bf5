"""How fast records become files, and in how much memory: Excel beside XlsxWriter alone, CSV and Parquet.

    python tests/benchmarks/exports.py [--sizes 100000 1000000 3000000] [--folder DIR] [--keep] [--reuse]

Each file is made by the job that a request begins, in a process of its own and from a loaded store (200 series at 1 Hz,
newest record first, as the list shows it; every record has a note, a score and a verdict, so that all eight columns are
filled), and includes storing the file in the database. XlsxWriter alone gets as many rows of the same columns (but at
most a million), taken from memory, and writes them to a file with its own cheapest calls.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from export_run import ALONE, SERIES, Run
from large_store.folder import ROOT, Store, opened
from large_store.readings import BEGINS, Readings

TARGET = 15_000
ALONE_ROWS = 1_000_000
"""At most: more take longer, but not longer each."""
_FILL = """
UPDATE records SET note = CONCAT('seen on round ', SECOND(observed_at), ', nothing to do')
WHERE series_id = {series_id};
UPDATE anomalies SET verdict = 'confirmed' WHERE series_id = {series_id} AND verdict IS NULL;
INSERT IGNORE INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,
  expected_high, explanation, detected_at, verdict)
SELECT series_id, observed_at, 'robust', '1', 'spike', value, 3 + RAND({series_id}), value, value,
  'stands for any other', observed_at, IF(SECOND(observed_at) % 2, 'confirmed', 'dismissed')
FROM records WHERE series_id = {series_id};
"""


def measured(kind: str, rows: int, environment: dict[str, str]) -> Run:
    """One run in a process of its own."""
    command = (sys.executable, str(Path(__file__).with_name("export_run.py")), kind, str(rows))
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    made, seconds, peak, size = answer.split()[-4:]
    return Run(int(made), float(seconds), float(peak), int(size))


def fill_columns(store: Store) -> None:
    """Give every record of ``store`` a note, an anomaly and a verdict, unless they have them."""
    for series_id in range(1, SERIES + 1):
        if store.client.run(f"SELECT 1 FROM records WHERE series_id = {series_id} AND note IS NULL LIMIT 1"):
            store.client.run(_FILL.format(series_id=series_id))


def report(name: str, run: Run, note: str = "") -> None:
    """One line of the table."""
    print(
        f"{name:18} {run.rows:>10,} rows {run.rate:>10,.0f} rows/s {run.seconds:>7.1f} s {run.peak:>6.0f} MiB at most "
        f"{run.size / run.rows:>5.0f} bytes a row {note}",
        flush=True,
    )


def measure(sizes: list[int], environment: dict[str, str]) -> None:
    """Print all runs, those to be compared side by side."""
    peaks = []
    for rows in sizes:
        baseline = measured(ALONE, min(rows, ALONE_ROWS), environment)
        report("XlsxWriter alone", baseline)
        run = measured("xlsx", rows, environment)
        peaks.append(run.peak)
        verdict = "reached" if run.rate >= TARGET else "NOT reached"
        report("Excel", run, f"{run.rate / baseline.rate:.2f} of XlsxWriter alone; {TARGET:,} rows/s {verdict}")
        for kind, name in (("csv", "CSV"), ("parquet", "Parquet")):
            report(name, measured(kind, rows, environment))
    print(f"memory of Excel exports from the smallest to the largest: {' '.join(f'{peak:.0f}' for peak in peaks)} MiB")


def main() -> None:
    """Parse the arguments, load what is missing, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 3_000_000])
    parser.add_argument("--folder", type=Path, default=ROOT / ".run/bench-exports")
    parser.add_argument("--keep", action="store_true", help="leave the loaded store in the folder")
    parser.add_argument(
        "--reuse", action="store_true", help="use the store that is in the folder, if it is large enough"
    )
    arguments = parser.parse_args()
    readings = Readings(max(arguments.sizes), SERIES)
    with opened(arguments.folder, readings, keep=arguments.keep, reuse=arguments.reuse) as store:
        fill_columns(store)
        variables = {
            "BENCH_URL": store.url,
            "BENCH_PASSWORD": store.servers.mariadb_password,
            "BENCH_BEGINS": BEGINS.isoformat(),
        }
        measure(arguments.sizes, {**os.environ, **variables})


if __name__ == "__main__":
    main()
