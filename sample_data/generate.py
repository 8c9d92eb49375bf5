#!/usr/bin/env python3
"""Writes readings as CSV, as many as you like, to try imports with.

The series look like those of a small plant: a daily pattern, noise, and now and then something unusual, which then has
a note. Rows are in the order of time and are written as they are made, so that the size of the file is not limited by
memory. The same arguments give the same file; without --end it ends with the current hour, so that it can be imported
whatever the day is.

  python3 sample_data/generate.py > sample.csv          # 4 days of 8 series, a reading each quarter of an hour
  python3 sample_data/generate.py --rows 5000000 --series 100 --interval 1 --output large.csv

Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

HEADER = "source,category,observed_at,value,unit,note\r\n"
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Kind:
    """What one kind of sensor measures."""

    source: str
    category: str
    unit: str
    base: float
    daily: float
    """How far the afternoon is above the mean of the day."""
    noise: float
    decimals: int
    unusual: tuple[float, str]
    """Something that happens: how far the value goes, and what a person notes of it."""


KINDS = (
    Kind("greenhouse", "temperature", "°C", 21.0, 5.0, 0.25, 1, (19.0, "sensor in direct sun")),
    Kind("greenhouse", "humidity", "%", 64.0, -9.0, 0.8, 1, (-30.0, "vents left open")),
    Kind("greenhouse", "co2", "ppm", 620.0, -140.0, 9.0, 0, (900.0, "burner ran on")),
    Kind("cold-store", "temperature", "°C", 3.2, 0.3, 0.08, 2, (6.5, "door left open")),
    Kind("cold-store", "power", "kW", 4.1, 0.9, 0.15, 2, (-2.9, "compressor tripped")),
    Kind("well", "pressure", "bar", 2.6, 0.15, 0.03, 3, (-1.4, "filter clogged")),
    Kind("well", "vibration", "mm/s", 1.8, 0.25, 0.06, 2, (5.5, "bearing worn")),
    Kind("kiln", "temperature", "°C", 92.0, 7.0, 0.7, 1, (38.0, "door seal leaks")),
)


class Series:
    """One series: gives its value at any instant, in order."""

    def __init__(self, number: int, seed: int, every: float) -> None:
        self.kind = KINDS[number % len(KINDS)]
        self.name = f"{self.kind.source}-{number // len(KINDS) + 1},{self.kind.category}"
        self._random = random.Random(f"{seed}/{number}")
        self._every = every
        self._shift = self._random.uniform(-0.04, 0.04) * self.kind.base
        self._unusual_until = 0.0
        self._next_unusual = 0.0

    def row(self, at: float, text: str) -> str:
        """The line of the reading at ``at`` (seconds since 1970), which is written as ``text``."""
        kind = self.kind
        # The warmest time is three in the afternoon, UTC.
        day = math.cos((at / 86_400 - 15 / 24) * math.tau)
        value = kind.base + self._shift + kind.daily * day + self._random.gauss(0.0, kind.noise)
        note = ""
        if self._every:
            strength, begins = self._strength(at)
            value += kind.unusual[0] * strength
            note = kind.unusual[1] if begins else ""
        return f"{self.name},{text},{value:.{kind.decimals}f},{kind.unit},{note}\r\n"

    def _strength(self, at: float) -> tuple[float, bool]:
        """How much of the unusual there is, and whether it begins now."""
        if not self._next_unusual:
            self._next_unusual = at + self._random.uniform(0.2, 1.2) * self._every
        begins = at >= self._next_unusual
        if begins:
            self._unusual_until = at + self._random.uniform(0.02, 0.06) * self._every
            self._next_unusual = at + self._random.uniform(0.6, 1.4) * self._every
        return (self._random.uniform(0.8, 1.1) if at <= self._unusual_until else 0.0), begins


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """The rows in the order of time."""
    every = arguments.unusual_hours * 3_600
    series = [Series(number, arguments.seed, every) for number in range(arguments.series)]
    instants = -(-arguments.rows // arguments.series)
    interval = timedelta(seconds=arguments.interval)
    left = arguments.rows
    for number in range(instants):
        at = arguments.end - interval * (instants - number)
        text = at.isoformat(timespec="auto").replace("+00:00", "Z")
        seconds = at.timestamp()
        for one in series[:left]:
            yield one.row(seconds, text)
        left -= len(series)


def write(arguments: argparse.Namespace, file: TextIO) -> None:
    """Write the whole file, some rows at a time."""
    file.write(HEADER)
    held: list[str] = []
    for line in lines(arguments):
        held.append(line)
        if len(held) == ROWS_AT_ONCE:
            file.write("".join(held))
            held.clear()
    file.write("".join(held))


def instant(text: str) -> datetime:
    """``text`` as a time; one without an offset is UTC."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def positive(text: str) -> int:
    """``text`` as a whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=positive, default=3_072, help="how many rows (3072)")
    parser.add_argument("--series", type=positive, default=8, help="over how many series they are spread (8)")
    parser.add_argument("--interval", type=float, default=900, help="seconds between two readings of a series (900)")
    parser.add_argument("--end", type=instant, default=hour, help="the time right after the last reading (this hour)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other values (1)")
    parser.add_argument(
        "--unusual-hours", type=float, default=40, help="hours between two unusual things in a series; 0 for none (40)"
    )
    parser.add_argument("--output", type=Path, help="the file to write; standard output if not given")
    parsed = parser.parse_args(arguments)
    if parsed.interval < 1e-6:
        parser.error("--interval must be at least 0.000001")
    return parsed


def main() -> None:
    """Write to where the command line says."""
    arguments = parse()
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a text file unless replaced
    output = arguments.output
    with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as file:
        try:
            write(arguments, file)
        except BrokenPipeError:
            sys.stderr.close()  # whoever reads has seen enough


if __name__ == "__main__":
    main()
