"""Tables of what was measured, what it should be, and whether it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


@dataclass
class Report:
    """Lines of a table, printed as they come."""

    missed: list[str] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Begin a table."""
        print(f"\n{text}", flush=True)

    def line(self, what: str, measured: str, target: str = "", *, met: bool | None = None) -> None:
        """One measurement; ``met``: whether the target is reached, None where there is none."""
        verdict = "" if met is None else "yes" if met else "NO"
        if met is False:
            self.missed.append(what)
        print(f"  {what:<56}{measured:>32}  {target:<14}{verdict}", flush=True)

    def times(self, what: str, seconds: Sequence[float], target_ms: float | None = None) -> None:
        """Median and 95th percentile of many answers; the latter has the target."""
        p50, p95 = (1_000 * quantile(seconds, share) for share in (0.5, 0.95))
        target = "" if target_ms is None else f"p95 ≤ {target_ms:g} ms"
        self.line(
            what, f"p50 {p50:8.1f}   p95 {p95:8.1f} ms", target, met=None if target_ms is None else p95 <= target_ms
        )

    def summary(self) -> None:
        """What was not reached, if anything."""
        print(f"\nmissed: {', '.join(self.missed)}" if self.missed else "\nevery target is met")
