import pytest
from tests.prove.faults import FAULTS
from tests.prove.regressions import REGRESSIONS
from tests.prove.schedule import LASTING, WARM_UP, WINDOW, plan


def test_the_same_seed_is_the_same_schedule() -> None:
    assert plan(17) == plan(17)
    assert len({plan(seed) for seed in range(50)}) == 50


def test_seeds_in_a_row_bring_about_every_fault() -> None:
    brought = {step.fault for seed in range(1_000, 1_000 + len(LASTING)) for step in plan(seed).steps}
    assert brought == set(LASTING)


@pytest.mark.parametrize("seed", range(200))
def test_steps_are_in_order_and_in_bounds(seed: int) -> None:
    steps = plan(seed).steps
    assert list(steps) == sorted(steps, key=lambda step: step.at)
    for step in steps:
        shortest, longest = LASTING[step.fault]
        assert shortest <= step.seconds <= longest
        assert WARM_UP <= step.at <= WARM_UP + WINDOW
        assert 0 <= step.draw < 1


def test_every_planned_fault_can_be_brought_about() -> None:
    assert set(FAULTS) == set(LASTING)


def test_what_must_hold_for_ever_can_be_brought_about() -> None:
    assert {step.fault for schedule in REGRESSIONS for step in schedule.steps} <= set(FAULTS)
