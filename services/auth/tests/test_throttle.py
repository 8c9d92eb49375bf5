"""Delays grow with each failure, end, and keep nobody out for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_auth.sessions.throttle import (
    ACCOUNT,
    ADDRESS,
    FORGOTTEN_AFTER,
    KEYS_REMEMBERED,
    PAIR,
    REGISTRATION,
    LoginThrottle,
    Rule,
)
from telltale_shared.errors import TooManyRequests


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(clock)


def wait_of(throttle: LoginThrottle, email: str = "a@b", address: str = "10.0.0.1") -> int:
    """Seconds that the next attempt has to wait; 0 when it passes."""
    try:
        throttle.begin(email, address)
    except TooManyRequests as error:
        return int(error.headers["Retry-After"])
    return 0


def test_delay_doubles_up_to_a_minute_and_then_the_owner_gets_in(throttle: LoginThrottle, clock: Clock) -> None:
    assert [wait_of(throttle) for _ in range(PAIR.free)] == [0] * PAIR.free
    waits = []
    for _ in range(9):
        waits.append(wait_of(throttle))
        clock.now += waits[-1]
        assert wait_of(throttle) == 0, "no attempt is refused for good"
    assert waits == [2, 3, 5, 9, 17, 33, 61, 61, 61]
    throttle.succeeded("a@b", "10.0.0.1")
    assert wait_of(throttle) == 0


def test_attempts_at_the_same_time_are_counted(throttle: LoginThrottle) -> None:
    passed = [wait_of(throttle) == 0 for _ in range(100)]
    assert sum(passed) == PAIR.free


def test_many_addresses_cannot_keep_an_owner_out(throttle: LoginThrottle, clock: Clock) -> None:
    for number in range(1_000):
        wait_of(throttle, address=f"10.0.{number // 250}.{number % 250}")
        clock.now += 0.01
    assert 0 < wait_of(throttle, address="192.168.0.1") <= ACCOUNT.longest + 1


def test_one_address_that_tries_many_accounts(throttle: LoginThrottle) -> None:
    passed = [wait_of(throttle, email=f"{number}@b") == 0 for number in range(ADDRESS.free + 50)]
    assert sum(passed) == ADDRESS.free
    assert wait_of(throttle, email="new@b", address="10.0.0.2") == 0


def test_success_of_others_is_not_held_against_an_address(throttle: LoginThrottle) -> None:
    for number in range(ADDRESS.free * 3):
        assert wait_of(throttle, email=f"{number}@b") == 0
        throttle.succeeded(f"{number}@b", "10.0.0.1")


def test_what_failed_for_a_reason_of_ours_does_not_count(throttle: LoginThrottle) -> None:
    for _ in range(PAIR.free * 3):
        assert wait_of(throttle) == 0
        throttle.undo("a@b", "10.0.0.1")


def test_failures_are_forgotten(throttle: LoginThrottle, clock: Clock) -> None:
    for _ in range(PAIR.free):
        wait_of(throttle)
    assert wait_of(throttle) > 0
    clock.now += FORGOTTEN_AFTER + 1
    assert [wait_of(throttle) for _ in range(PAIR.free)] == [0] * PAIR.free


def test_registrations_are_slowed_down_too(throttle: LoginThrottle) -> None:
    for _ in range(REGISTRATION.free):
        throttle.begin_registration("10.0.0.1")
    with pytest.raises(TooManyRequests):
        throttle.begin_registration("10.0.0.1")
    throttle.begin_registration("10.0.0.2")


def test_memory_is_bounded(throttle: LoginThrottle, clock: Clock) -> None:
    for number in range(KEYS_REMEMBERED // 2):
        throttle.begin(f"{number}@b", f"{number}")
    assert len(throttle._counts) == KEYS_REMEMBERED


@given(st.integers(0, 100), st.floats(1, 100), st.integers(0, 10_000))
def test_delay_never_shrinks_with_failures_nor_exceeds_its_bound(free: int, longest: float, failures: int) -> None:
    rule = Rule(free, longest)
    assert rule.delay(failures) <= rule.delay(failures + 1) <= longest
    assert rule.delay(free - 1) == 0 < rule.delay(free)
