"""What happens in one schedule, decided by its seed alone. Pure: the same seed is the same schedule, for ever."""

import random
from dataclasses import dataclass

WARM_UP = 1.0
"""Seconds of load before the first fault."""
WINDOW = 3.0
"""Seconds within which the faults of a schedule begin."""

AT_ONCE = (0.0, 0.0)
LASTING: dict[str, tuple[float, float]] = {
    "kill generator": AT_ONCE,
    "kill writer": AT_ONCE,
    "kill detector": AT_ONCE,
    "kill gateway": AT_ONCE,
    "kill auth": AT_ONCE,
    "kill query": AT_ONCE,
    "kill jobs": AT_ONCE,
    "kill ui": AT_ONCE,
    "kill rabbitmq": AT_ONCE,
    "kill mariadb": AT_ONCE,
    "kill writer 25 times": AT_ONCE,
    "stop a service": (0.5, 4),
    "stop behind a silent link": (1, 6),
    "freeze a process": (2, 12),
    "broker restarted": (0.5, 5),
    "database restarted": (0.5, 8),
    "link cut": AT_ONCE,
    "link down": (1, 8),
    "link silent": (2, 20),
    "link slow": (2, 6),
    "link cut after some bytes": AT_ONCE,
    "OK lost after COMMIT": AT_ONCE,
    "sessions killed in the database": (1, 4),
    "rows locked in the database": (2, 14),
    "disk alarm in the broker": (1, 5),
    "memory alarm in the broker": (1, 5),
    "queue full": (2, 6),
    "queue deleted": AT_ONCE,
    "every delivery three times": (2, 5),
    "poison": (3, 6),
    "clock of a source an hour off": (2, 5),
    "WebSocket client that stops reading": (2, 5),
    "kill alerts": AT_ONCE,
}
"""Every fault, with the shortest and the longest time in seconds that it lasts."""

ALONE = frozenset({"queue deleted", "kill writer 25 times"})
"""Faults beside which there is no other: one needs everybody to hold still, the other takes a minute by itself."""


@dataclass(frozen=True)
class Step:
    """One fault: when it begins, how long it lasts, and a number that settles what else is to choose."""

    fault: str
    at: float
    """Seconds after the load began."""
    seconds: float
    draw: float
    """From 0 to below 1."""


@dataclass(frozen=True)
class Schedule:
    """A load and what disturbs it."""

    seed: int
    series: int
    readings_per_delivery: int
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        """The faults in the order in which they begin."""
        return " + ".join(step.fault for step in self.steps) or "malformed messages"


def plan(seed: int) -> Schedule:
    """The schedule of ``seed``. Of as many seeds in a row as there are faults, each has another fault for sure."""
    rng = random.Random(seed)
    names = list(LASTING)
    first = names[seed % len(names)]
    several = [] if first in ALONE else [name for name in names if name not in ALONE]
    others = rng.choices(several, k=rng.choice((0, 0, 0, 1, 1, 2))) if several else []
    steps = [_step(rng, name) for name in dict.fromkeys((first, *others))]
    return Schedule(
        seed=seed,
        series=rng.choice((1, 8, 40)),
        readings_per_delivery=rng.choice((20, 50, 200)),
        steps=tuple(sorted(steps, key=lambda step: step.at)),
    )


def _step(rng: random.Random, fault: str) -> Step:
    at, seconds = WARM_UP + rng.uniform(0, WINDOW), rng.uniform(*LASTING[fault])
    return Step(fault, at=at, seconds=seconds, draw=rng.random())
