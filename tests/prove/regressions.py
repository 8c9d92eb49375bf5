"""Schedules that must hold for ever: the hardest moments of the design, and every one that was once found to fail.

They are written out, since what a seed stands for changes with the list of faults.
"""

from tests.prove.schedule import Schedule, Step


def _one(number: int, *steps: Step, per_delivery: int = 50) -> Schedule:
    return Schedule(seed=-number, series=8, readings_per_delivery=per_delivery, steps=steps)


REGRESSIONS = (
    _one(1, Step("kill writer", at=2.0, seconds=0, draw=0)),
    _one(2, Step("OK lost after COMMIT", at=1.0, seconds=0, draw=0), per_delivery=10),
    _one(3, Step("poison", at=1.0, seconds=4, draw=0)),
    _one(4, Step("kill mariadb", at=2.0, seconds=0, draw=0), Step("kill generator", at=3.0, seconds=0, draw=0)),
    _one(5, Step("queue deleted", at=1.0, seconds=0, draw=0)),
    _one(
        6,
        Step("clock of a source an hour off", at=1.0, seconds=4, draw=0),
        Step("WebSocket client that stops reading", at=1.0, seconds=4, draw=0),
        Step("disk alarm in the broker", at=2.0, seconds=1, draw=0),
        Step("kill alerts", at=3.0, seconds=0, draw=0),
    ),
)
