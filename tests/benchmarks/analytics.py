"""How fast analytics answer over 10 or 100 million records, beside the same SQL on raw rows and DuckDB.

    python tests/benchmarks/analytics.py [--records 10000000] [--folder DIR] [--keep] [--reuse]

The store (200 series at 1 Hz, seeded: ``large_store``) is loaded into private servers in a folder of its own, which
--keep leaves there and --reuse takes as it is: 100 million records take minutes to load and 9 GB. --load-only stops
there.
"""

import argparse
from pathlib import Path

from large_store.folder import ROOT, opened
from large_store.readings import Readings


def main() -> None:
    """Parse the arguments, load what is missing, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=ROOT / ".run/bench-analytics")
    parser.add_argument("--keep", action="store_true", help="leave the loaded store in the folder")
    parser.add_argument("--reuse", action="store_true", help="use the store that is in the folder, if it is this one")
    parser.add_argument("--load-only", action="store_true", help="load and check, measure nothing")
    arguments = parser.parse_args()
    readings = Readings(arguments.records, arguments.series)
    with opened(arguments.folder, readings, keep=arguments.keep, reuse=arguments.reuse) as store:
        print(f"{store.records:,} records of {readings.series} series in {arguments.folder}")


if __name__ == "__main__":
    main()
