"""Delays grow with each failure, end, and keep nobody out for good, however many copies of auth there are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_auth.schema import attempts
from telltale_auth.sessions.throttle import (
    ACCOUNT,
    ADDRESS,
    FORGOTTEN_AFTER,
    PAIR,
    REGISTRATION,
    LoginThrottle,
    Rule,
)
from telltale_auth.settings import Settings
from telltale_shared.database import create_engine
from telltale_shared.errors import TooManyRequests

pytestmark = pytest.mark.anyio


class Clock:
    now = datetime(2026, 11, 24)  # noqa: DTZ001 - naive, as the table holds it

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine(settings: Settings, anyio_backend: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url, settings.database_password.get_secret_value(), pool_size=5)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM attempts"))
    yield engine
    await engine.dispose()


@pytest.fixture
def throttle(engine: AsyncEngine, clock: Clock) -> LoginThrottle:
    return LoginThrottle(engine, clock)


async def wait_of(throttle: LoginThrottle, email: str = "a@b", address: str = "10.0.0.1") -> int:
    """Seconds that the next attempt has to wait; 0 when it passes."""
    try:
        await throttle.begin(email, address)
    except TooManyRequests as error:
        return int(error.headers["Retry-After"])
    return 0


async def test_delay_doubles_up_to_a_minute_and_then_the_owner_gets_in(throttle: LoginThrottle, clock: Clock) -> None:
    assert [await wait_of(throttle) for _ in range(PAIR.free)] == [0] * PAIR.free
    waits = []
    for _ in range(9):
        waits.append(await wait_of(throttle))
        clock.pass_by(waits[-1])
        assert await wait_of(throttle) == 0, "no attempt is refused for good"
    assert waits == [2, 3, 5, 9, 17, 33, 61, 61, 61]
    await throttle.succeeded("a@b", "10.0.0.1")
    assert await wait_of(throttle) == 0


async def test_attempts_at_the_same_time_are_counted(throttle: LoginThrottle) -> None:
    passed = [await wait_of(throttle) == 0 for _ in range(100)]
    assert sum(passed) == PAIR.free


async def test_many_addresses_cannot_keep_an_owner_out(throttle: LoginThrottle, clock: Clock) -> None:
    for number in range(1_000):
        await wait_of(throttle, address=f"10.0.{number // 250}.{number % 250}")
        clock.pass_by(0.01)
    assert 0 < await wait_of(throttle, address="192.168.0.1") <= ACCOUNT.longest + 1


async def test_one_address_that_tries_many_accounts(throttle: LoginThrottle) -> None:
    passed = [await wait_of(throttle, email=f"{number}@b") == 0 for number in range(ADDRESS.free + 50)]
    assert sum(passed) == ADDRESS.free
    assert await wait_of(throttle, email="new@b", address="10.0.0.2") == 0


async def test_success_of_others_is_not_held_against_an_address(throttle: LoginThrottle) -> None:
    for number in range(ADDRESS.free + 20):
        assert await wait_of(throttle, email=f"{number}@b") == 0
        await throttle.succeeded(f"{number}@b", "10.0.0.1")


async def test_what_failed_for_a_reason_of_ours_does_not_count(throttle: LoginThrottle) -> None:
    for _ in range(PAIR.free * 3):
        assert await wait_of(throttle) == 0
        await throttle.undo("a@b", "10.0.0.1")


async def test_failures_are_forgotten(throttle: LoginThrottle, clock: Clock) -> None:
    for _ in range(PAIR.free):
        await wait_of(throttle)
    assert await wait_of(throttle) > 0
    clock.now += FORGOTTEN_AFTER + timedelta(seconds=1)
    assert [await wait_of(throttle) for _ in range(PAIR.free)] == [0] * PAIR.free


async def test_registrations_are_slowed_down_too(throttle: LoginThrottle) -> None:
    for _ in range(REGISTRATION.free):
        await throttle.begin_registration("10.0.0.1")
    with pytest.raises(TooManyRequests):
        await throttle.begin_registration("10.0.0.1")
    await throttle.begin_registration("10.0.0.2")


async def test_copies_count_together_and_a_restart_forgets_nothing(engine: AsyncEngine, clock: Clock) -> None:
    copies = [LoginThrottle(engine, clock) for _ in range(3)]
    passed = [await wait_of(copies[number % 3]) == 0 for number in range(PAIR.free * 3)]
    assert sum(passed) == PAIR.free
    assert await wait_of(LoginThrottle(engine, clock)) > 0


async def test_attempts_at_once_at_several_copies_are_counted(engine: AsyncEngine, clock: Clock) -> None:
    copies = [LoginThrottle(engine, clock) for _ in range(2)]
    await wait_of(copies[0])
    passed = await asyncio.gather(*(wait_of(copies[number % 2]) for number in range(50)))
    assert passed.count(0) == PAIR.free - 1


async def test_people_who_sign_in_at_the_same_time_do_not_hold_each_other_up(engine: AsyncEngine) -> None:
    throttle = LoginThrottle(engine)
    for _ in range(5):
        waits = await asyncio.gather(*(wait_of(throttle, email=f"{number}@b") for number in range(30)))
        assert waits == [0] * 30
        await asyncio.gather(*(throttle.succeeded(f"{number}@b", "10.0.0.1") for number in range(30)))


async def test_refusals_cost_the_database_nothing(throttle: LoginThrottle, engine: AsyncEngine) -> None:
    while await wait_of(throttle) == 0:
        pass
    await engine.dispose()
    throttle._engine = create_engine("mariadb+asyncmy://nobody@127.0.0.1:1/none", "", pool_size=1)
    assert await wait_of(throttle) > 0


async def test_what_is_forgotten_is_deleted(throttle: LoginThrottle, engine: AsyncEngine, clock: Clock) -> None:
    await wait_of(throttle)
    clock.now += FORGOTTEN_AFTER / 2
    await wait_of(throttle, email="new@b", address="10.0.0.2")
    clock.now += FORGOTTEN_AFTER / 2 + timedelta(seconds=1)
    await throttle.purge()
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(attempts))).scalar() == 3


@given(st.integers(0, 100), st.floats(1, 100), st.integers(0, 10_000))
def test_delay_never_shrinks_with_failures_nor_exceeds_its_bound(free: int, longest: float, failures: int) -> None:
    rule = Rule(free, longest)
    assert rule.delay(failures) <= rule.delay(failures + 1) <= longest
    assert rule.delay(free - 1) == 0 < rule.delay(free)
