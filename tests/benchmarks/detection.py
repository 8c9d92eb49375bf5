"""How well the detector's model finds what is unusual, and what that costs.

Everything is taken online, reading by reading, with one set of constants; what counts is an alarm as the product marks
it, at the reading at which it is told:

* its score on the Numenta Anomaly Benchmark (NAB), beside published detectors. Data and scorer are not part of this
  repository: they are looked for in a folder `shared` beside it, or where --nab and --nab-score say;
* microseconds a reading, with up to 10,000 series side by side;
* false alarms on the synthetic source of the generator, without anomalies;
* the share of its anomalies that is caught, by kind, and how many readings after the first wrong one;
* the same on labelled series of nine other characters, which the model's constants were not chosen on.

Usage: python tests/benchmarks/detection.py [--nab DIR] [--nab-score FILE] [--only nab|cost|clean|injected|characters]
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
from characters import CHARACTERS, KINDS, LENGTH, SEASONAL, STEP, labelled

from telltale_generator.sources.synthetic import SENSORS, AnomalyKind, SyntheticSource
from telltale_generator.sources.synthetic import Anomaly as Label
from telltale_shared.detection.explain import Anomaly
from telltale_shared.detection.model import Model, Readings
from telltale_shared.detection.tuning import TUNING

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ROOT.parent / "shared"
SECOND = 1_000_000
DAY = 86_400
START = 1_767_225_600 * SECOND  # 2026-01-01 00:00 UTC
GRACE = 30
"""An alarm that comes so many readings after an anomaly has ended is still about it."""
RETURN = 180
"""… and within so many an alarm may be about the way back, which is a change as well: neither caught nor false."""
SEEDS = 8
"""Series of each character and kind."""
WORLDS = 3
"""Synthetic days that are run side by side, each with a seed of its own."""


@dataclass(frozen=True)
class Told:
    """An alarm, and the reading (number within its series) at which it was given."""

    source: str
    at: int
    anomaly: Anomaly


# The Numenta Anomaly Benchmark


@dataclass(frozen=True)
class File:
    """One series of the benchmark."""

    path: Path
    stamps: list[str]
    at: list[int]
    """µs since 1970-01-01, the stamps taken as UTC."""
    value: list[float]

    @classmethod
    def read(cls, path: Path) -> "File":
        """Reads columns ``timestamp`` and ``value``."""
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        stamps = [row["timestamp"] for row in rows]
        at = [int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) * SECOND for stamp in stamps]
        return cls(path, stamps, at, [float(row["value"]) for row in rows])


def answers(files: list[File]) -> list[list[float]]:
    """The score of the alarm that is told at each reading, 0 to 1; 0 where none is."""
    model = Model()
    rows = [row for file in files if (row := model.table.row(str(file.path), "nab", None)) is not None]
    number_of = {str(file.path): number for number, file in enumerate(files)}
    alarms = [[0.0] * len(file.value) for file in files]
    for turn in range(max(len(file.value) for file in files)):
        live = [number for number, file in enumerate(files) if turn < len(file.value)]
        scores = model.score(
            Readings(
                np.array([rows[number] for number in live]),
                np.array([files[number].at[turn] for number in live]),
                np.array([files[number].value[turn] for number in live]),
            )
        )
        for anomaly in scores.anomalies:
            number = number_of[anomaly.series.source]
            alarms[number][turn] = max(alarms[number][turn], anomaly.score / (TUNING.threshold + anomaly.score))
    return alarms


def score_by(scorer: Path, data: Path, folder: Path) -> dict[str, list[str]]:
    """The scorer's words on the answers in ``folder``, by profile."""
    command = [sys.executable, str(scorer), "--data", str(data), "--scores", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {words[1]: words for line in printed.splitlines()[1:] if (words := line.split())}


def nab(data: Path, scorer: Path) -> None:
    """Prints the model's line under those of the published detectors, which are read from the data's README."""
    if not (data / "windows.json").exists() or not scorer.exists():
        print(f"NAB: not run, because {data} or {scorer} is absent; say where they are with --nab and --nab-score.")
        return
    files = [File.read(path) for path in sorted(data.glob("*/*.csv"))]
    print(f"NAB: {len(files)} series, one threshold for all")
    for line in (data / "README.md").read_text().splitlines():
        if line.startswith("|"):
            print(line)
    with tempfile.TemporaryDirectory() as folder:
        for file, said in zip(files, answers(files), strict=True):
            path = Path(folder) / file.path.relative_to(data)
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = (f"{stamp},{score:.6f}\n" for stamp, score in zip(file.stamps, said, strict=True))
            path.write_text("timestamp,anomaly_score\n" + "".join(lines))
        said_of = score_by(scorer, data, Path(folder))
    standard, low_fp = said_of["standard"], said_of["low_FP"]
    print(f"| **telltale, its alarms** | {standard[2]} | {low_fp[2]} | {said_of['low_FN'][2]} | {standard[3]} |")
    print("  targets: standard 70, transferred 67, low FP 64; the file's range is not known beforehand")
    least = float(standard[4])
    print(f"  best threshold: a score of {TUNING.threshold * least / (1 - least):.2f}; the product marks from 6 on")


# The synthetic source


def synthetic(anomaly_every: int) -> tuple[list[Told], dict[str, list[Label]]]:
    """A day at 1 Hz of ``WORLDS`` synthetic sources.

    Args:
        anomaly_every: µs that hold one anomaly of each series; 0 for none.

    Returns:
        Alarms, and the labels of each series under the same name.
    """
    worlds = [SyntheticSource(seed=seed, anomaly_every=anomaly_every) for seed in range(1, WORLDS + 1)]
    model = Model()
    names = [f"{sensor.source} {sensor.category} {world}" for world in range(WORLDS) for sensor in SENSORS]
    rows = np.array([row for name in names if (row := model.table.row(name, "synthetic", None)) is not None])
    for world in worlds:
        world.begin(START - 1)
    told: list[Told] = []
    for turn in range(DAY):
        now = START + turn * SECOND
        value = np.array([reading.value for world in worlds for reading in world.due(now)])
        scores = model.score(Readings(rows, np.full(rows.size, now), value))
        told.extend(Told(one.series.source, turn, one) for one in scores.anomalies)
    labels: dict[str, list[Label]] = defaultdict(list)
    for number, world in enumerate(worlds):
        for label in world.labels(START, START + DAY * SECOND):
            labels[f"{label.source} {label.category} {number}"].append(label)
    return told, labels


def clean() -> None:
    """Prints the false alarms of days without an anomaly."""
    told, _ = synthetic(0)
    a_day = len(told) / WORLDS
    print(f"clean synthetic day, 8 series at 1 Hz: {a_day:.1f} false alarms (mean of {WORLDS} days; target 2)")
    for one in told:
        print(f"  {one.source}: {one.anomaly.explanation}")


def injected() -> None:
    """Prints what is caught of the generator's anomalies: one in two hours of each series, as by default."""
    told, labels = synthetic(2 * 3_600 * SECOND)
    delays: dict[AnomalyKind, list[float]] = {kind: [] for kind in AnomalyKind}
    explained: set[int] = set()
    for source, label in ((source, label) for source, some in labels.items() for label in some):
        start, end = ((at - START) / SECOND for at in (label.start, label.end))
        about = [one for one in told if one.source == source and start <= one.at < end + GRACE]
        explained.update(id(one) for one in told if one.source == source and start <= one.at < end + RETURN)
        delays[label.kind].append(min((one.at - start for one in about), default=float("inf")))
    for kind, some in delays.items():
        caught = [delay for delay in some if delay < float("inf")]
        late = f"median delay {median(caught):.0f} readings" if caught else "never"
        print(f"injected {kind:13} {len(caught):>4} of {len(some):>4} caught ({len(caught) / len(some):6.1%}), {late}")
    print(f"elsewhere in these days: {(len(told) - len(explained)) / WORLDS:.1f} alarms a day of 8 series")


# Other characters


def characters() -> None:
    """Prints the share of labelled anomalies that is caught, and false alarms, by character."""
    sets = [
        labelled(character, kind, seed)
        for character in CHARACTERS
        for kind in KINDS
        if kind != "season" or character.__name__ in SEASONAL
        for seed in range(SEEDS)
    ]
    model = Model()
    rows = np.array([row for n in range(len(sets)) if (row := model.table.row(str(n), "made", None)) is not None])
    value = np.array([one.value for one in sets]).T
    told: dict[int, list[int]] = defaultdict(list)
    for turn in range(LENGTH):
        for one in model.score(Readings(rows, np.full(rows.size, START + turn * STEP), value[turn])).anomalies:
            told[int(one.series.source)].append(turn)
    caught: dict[tuple[str, str], list[bool]] = defaultdict(list)
    false: dict[str, int] = defaultdict(int)
    for number, made in enumerate(sets):
        about = any(made.start <= at < made.end + GRACE for at in told[number])
        caught[made.character, made.kind].append(about)
        false[made.character] += len(told[number]) if made.kind == "none" else 0
    print(f"labelled series of other characters ({SEEDS} of each, {LENGTH:,} readings): caught")
    print(f"{'':12}" + "".join(f"{kind:>13}" for kind in KINDS[1:]) + "   false a series without")
    for name in (character.__name__ for character in CHARACTERS):
        shares = (np.mean(caught[name, kind]) if caught[name, kind] else None for kind in KINDS[1:])
        cells = "".join(f"{'' if share is None else f'{share:.0%}':>13}" for share in shares)
        print(f"{name:12}{cells}{false[name] / SEEDS:>12.2f}")


# What it costs


def cost() -> None:
    """Prints microseconds a reading, learning included, at several numbers of series side by side."""
    rng = np.random.default_rng(1)
    for series in (8, 100, 1_000, 10_000):
        times = max(20, min(2_000, 500_000 // series))
        model = Model()
        rows = np.array([row for n in range(series) if (row := model.table.row(f"s{n}", "c", None)) is not None])
        at = START + SECOND * np.arange(times, dtype=np.int64)
        every = Readings(np.tile(rows, times), np.repeat(at, series), rng.normal(20, 1, times * series))
        began = time.process_time()
        model.score(every)
        each = (time.process_time() - began) / every.rows.size * 1e6
        print(f"{series:>6,} series side by side: {each:7.3f} µs a reading")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=Path, default=BESIDE / "data/nab", help="the folder with windows.json")
    parser.add_argument("--nab-score", type=Path, default=BESIDE / "tools/nab_score.py")
    parser.add_argument("--only", choices=("nab", "cost", "clean", "injected", "characters"))
    arguments = parser.parse_args()
    parts = {"nab": lambda: nab(arguments.nab, arguments.nab_score), "cost": cost, "clean": clean, "injected": injected}
    parts["characters"] = characters
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()


if __name__ == "__main__":
    main()
