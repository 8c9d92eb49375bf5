"""The table that `make prove` prints."""

import math
from collections.abc import Sequence

from tests.prove.audit import Audit
from tests.prove.runner import Outcome

HEADINGS = ("fault", "seed", "confirmed", "stored", "dead", "lost", "repeated", "recovery")
WIDTHS = (48, 8, 10, 10, 7, 6, 9, 10)


def _row(cells: Sequence[str]) -> str:
    return "  ".join(
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )


def print_headings() -> None:
    """Print what the columns are."""
    print(_row(HEADINGS), flush=True)


def print_outcome(outcome: Outcome) -> None:
    """Print a row, and below it everything that contradicts the promise."""
    verdict = outcome.verdict
    counts = (verdict.confirmed, verdict.stored, verdict.dead, verdict.lost, verdict.repeated)
    slowest = f"{max(outcome.recovery.values()):.1f} s" if outcome.recovery else "-"
    print(_row([outcome.schedule.title, str(outcome.schedule.seed), *(f"{n:,}" for n in counts), slowest]), flush=True)
    for complaint in verdict.complaints:
        print(f"    {complaint}", flush=True)


def print_summary(outcomes: Sequence[Outcome], generators: Audit) -> bool:
    """Print the sums, and what became of the product's own generators; whether everything kept the promise."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    confirmed = sum(outcome.verdict.confirmed for outcome in outcomes)
    lost = sum(outcome.verdict.lost for outcome in outcomes)
    repeated = sum(outcome.verdict.repeated for outcome in outcomes)
    print(f"\n{len(outcomes)} schedules, {confirmed:,} readings confirmed: {lost} lost, {repeated} repeated")
    _print_recovery("all faults", [slow for outcome in outcomes for slow in outcome.recovery.values()])
    _print_recovery("one process killed, nothing else", [slow for one in outcomes for slow in _after_one_kill(one)])
    print(
        f"the product's own generators: {generators.producers} producers, {generators.numbered:,} readings numbered,"
        f" {generators.stored:,} stored, {generators.dropped:,} dropped before they got a number"
    )
    for complaint in generators.complaints:
        print(f"FAILED: {complaint}")
    for outcome in failed:
        print(f"FAILED: seed {outcome.schedule.seed} ({outcome.schedule.title})")
    return bool(outcomes) and not failed and not generators.complaints


def _after_one_kill(outcome: Outcome) -> Sequence[float]:
    steps = outcome.schedule.steps
    return list(outcome.recovery.values()) if len(steps) == 1 and steps[0].fault.startswith("kill ") else []


def _print_recovery(what: str, seconds: Sequence[float]) -> None:
    if seconds:
        ranked = sorted(seconds)
        median, p99 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.99))
        print(f"recovery, {what} ({len(ranked)}): median {median:.1f} s, p99 {p99:.1f} s, slowest {ranked[-1]:.1f} s")
