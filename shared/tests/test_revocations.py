"""Revoked tokens are refused at once, for as long as they could live; and everyone hears of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import (
    MalformedMessage,
    Revocation,
    RevocationFence,
    decode_identity,
    encode,
    schema_of,
)
from telltale_shared.contracts.identity import IdentityMessage
from telltale_shared.security import Principal, Revocations, Role
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.security.revocations import REMEMBERED_SECONDS
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import IDENTITY_REVOCATIONS, topology

GOLDEN = Path(__file__).parent / "golden" / "identity"
PUBLISHED: dict[str, IdentityMessage] = {
    "revocation/1": Revocation(user_id="7", before_version=3, session_id="s12", at=1_795_468_261_104_000),
    "revocation_fence/1": RevocationFence(reader="5f0c5f2b1a7be9aa"),
}
"""What each golden payload says, in the words of today's code. Add to it; change nothing that was released."""

users = st.sampled_from(["1", "2"])
revocations_made = st.builds(
    Revocation,
    user_id=users,
    before_version=st.integers(0, 4),
    session_id=st.sampled_from(["", "s1", "t1"]),
    at=st.just(0),
)
principals = st.builds(
    Principal,
    user_id=users,
    name=st.just(""),
    role=st.sampled_from(Role),
    token_id=st.just("j"),
    token_version=st.integers(1, 4),
    expires_at=st.just(0),
    session_id=st.sampled_from(["s1", "t1", "s2"]),
)


@pytest.mark.parametrize("schema", PUBLISHED)
def test_golden_payloads_stay_readable(schema: str) -> None:
    body = (GOLDEN / f"{schema.replace('/', '-')}.json").read_bytes().strip()
    assert decode_identity(body) == PUBLISHED[schema]
    assert encode(PUBLISHED[schema]) == body
    assert schema_of(PUBLISHED[schema]) == schema


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"schema":"revocation/1"}', b'{"schema":"revocation/9"}', b"\xff"]
)
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_identity(body)


@given(st.lists(revocations_made, max_size=8), principals)
def test_token_is_refused_whatever_the_order_and_number_of_what_was_heard(
    heard: list[Revocation], principal: Principal
) -> None:
    revoked = any(
        one.session_id == principal.session_id
        or (one.user_id == principal.user_id and principal.token_version < one.before_version)
        for one in heard
    )
    for order in (heard, heard[::-1], heard * 2):
        known = Revocations()
        for one in order:
            known.add(one)
        assert known.covers(principal) is revoked


def test_what_no_living_token_can_claim_is_forgotten() -> None:
    now = 0.0
    known = Revocations(lambda: now)
    for number in range(100):
        known.add(Revocation(user_id=str(number), before_version=2, session_id=f"s{number}", at=0))
    assert len(known) == 200
    now = REMEMBERED_SECONDS - 1
    known.add(Revocation(user_id="1", before_version=3, at=0))
    now = REMEMBERED_SECONDS + 1
    known.add(Revocation(user_id="200", before_version=2, at=0))
    assert len(known) == 2, "the one said again counts from then"


def test_only_who_watches_an_account_is_called_and_only_until_it_ends() -> None:
    known, called = Revocations(), []
    ends = [known.watch(user, lambda user=user: called.append(user)) for user in ("1", "1", "2")]  # type: ignore[misc]  # bound now
    known.add(Revocation(user_id="1", before_version=2, at=0))
    assert called == ["1", "1"]
    ends[0]()
    ends[0]()
    known.add(Revocation(user_id="1", session_id="s1", at=0))
    assert called == ["1", "1", "1"]
    for end in ends:
        end()
    assert not known._watchers


class ForgetsTheFirst(Publisher):
    """To the broker: one that confirms a message, is killed, and has lost it."""

    published = 0

    async def publish(self, *arguments: Any, **options: Any) -> None:
        self.published += 1
        if self.published > 1:
            await super().publish(*arguments, **options)


@asynccontextmanager
async def reading(
    access: Access, kind: type[Publisher] = Publisher
) -> AsyncIterator[tuple[RevocationFeed, Revocations, Publisher]]:
    address, revocations = BrokerAddress(access.url, access.password), Revocations()
    async with kind(address, topology(), name="test") as publisher:
        feed = RevocationFeed(address, topology(), publisher, revocations, name="test")
        task = asyncio.create_task(feed.run())
        try:
            yield feed, revocations, publisher
        finally:
            task.cancel()
            await asyncio.wait([task])


async def announce(publisher: Publisher, body: bytes) -> None:
    await publisher.publish(IDENTITY_REVOCATIONS, body, schema="revocation/1")


@pytest.mark.anyio
async def test_service_that_starts_first_reads_what_it_missed(new_broker: Callable[[], Access]) -> None:
    access = new_broker()
    async with reading(access) as (feed, first, publisher):
        await feed.catch_up(60)
        assert feed.problem is None
        await announce(publisher, b"no message")
        await announce(publisher, encode(Revocation(user_id="7", before_version=2, at=0)))
        await eventually(lambda: len(first) == 1)
    async with reading(access) as (feed, second, _):
        await feed.catch_up(60)
        assert len(second) == 1, "known before the first request"


@pytest.mark.anyio
async def test_a_lost_fence_is_sent_again(new_broker: Callable[[], Access]) -> None:
    async with reading(new_broker(), ForgetsTheFirst) as (feed, _, publisher):
        await feed.catch_up(60)
        assert feed.problem is None
        assert isinstance(publisher, ForgetsTheFirst)
        assert publisher.published > 1


@pytest.mark.anyio
async def test_without_the_broker_a_service_starts_all_the_same() -> None:
    async with reading(Access("amqp://telltale@127.0.0.1:1/none", "")) as (feed, revocations, _):
        await feed.catch_up(0.1)
        assert "cannot connect" in str(feed.problem)
        assert len(revocations) == 0
