"""Publishing: a call returns when the broker has the message, and says so when it has not."""

import asyncio

import pytest
from shared.tests.conftest import SCHEMA, NewLane

from telltale_shared.broker import PublishFailed, PublishRefused, PublishUnconfirmed, connection
from telltale_shared.testing import eventually
from telltale_shared.testing_proxy import TcpProxy

pytestmark = pytest.mark.anyio


async def test_a_confirmed_message_is_in_the_queue_as_it_was_sent(new_lane: NewLane) -> None:
    lane = new_lane()
    async with lane.publisher() as publisher:
        await publisher.publish(lane.name, b"{}", schema=SCHEMA, headers={"producer": "p", "first": 7})
        assert publisher.problem is None
        await publisher.publish(lane.name, b"[]", schema=SCHEMA, persistent=False)
    async with lane.channel() as channel:
        queue = await channel.get_queue(lane.name)
        first, second = await queue.get(no_ack=True), await queue.get(no_ack=True)
    assert (first.body, first.type, first.content_type) == (b"{}", SCHEMA, "application/json")
    assert (first.headers["producer"], first.headers["first"]) == ("p", 7)
    assert (first.delivery_mode, second.delivery_mode) == (2, 1)


async def test_many_may_wait_for_their_confirm_at_once(new_lane: NewLane) -> None:
    lane = new_lane()
    async with lane.publisher() as publisher:
        await asyncio.gather(*(publisher.publish(lane.name, b"x", schema=SCHEMA) for _ in range(300)))
    async with lane.channel() as channel:
        queue = await channel.declare_queue(lane.name, passive=True)
        assert queue.declaration_result.message_count == 300


async def test_a_key_that_leads_nowhere_is_refused_and_the_next_message_is_not(new_lane: NewLane) -> None:
    lane = new_lane()
    async with lane.publisher() as publisher:
        with pytest.raises(PublishRefused, match=r"nothing is bound to nowhere"):
            await publisher.publish("nowhere", b"x", schema=SCHEMA)
        await publisher.publish(lane.name, b"x", schema=SCHEMA)


async def test_a_full_queue_refuses(new_lane: NewLane) -> None:
    lane = new_lane({"x-max-length": 3, "x-overflow": "reject-publish"})
    async with lane.publisher() as publisher:
        for _ in range(3):
            await publisher.publish(lane.name, b"x", schema=SCHEMA)
        with pytest.raises(PublishRefused, match="full"):
            await publisher.publish(lane.name, b"x", schema=SCHEMA)
        async with lane.channel() as channel:
            await (await channel.get_queue(lane.name)).purge()

        async def taken() -> bool:
            try:
                await publisher.publish(lane.name, b"x", schema=SCHEMA)
            except PublishRefused:
                return False
            return True

        await eventually(taken)


async def test_without_a_broker_a_message_waits_for_its_own_time(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane().through(proxy)
    await proxy.cut()
    async with lane.publisher() as publisher:
        with pytest.raises(PublishUnconfirmed, match=r"no confirm within 0\.2 s \(.*connect"):
            await publisher.publish(lane.name, b"x", schema=SCHEMA, timeout=0.2)
        assert publisher.problem is not None
        patient = asyncio.create_task(publisher.publish(lane.name, b"x", schema=SCHEMA, timeout=20))
        await proxy.mend()
        await patient
        assert publisher.problem is None


async def test_every_publish_over_a_cut_link_ends_in_confirmed_or_failed(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane().through(proxy)
    async with lane.publisher() as publisher:
        await publisher.publish(lane.name, b"x", schema=SCHEMA)
        proxy.silence()
        flying = [
            asyncio.create_task(publisher.publish(lane.name, b"%d" % n, schema=SCHEMA, timeout=5)) for n in range(50)
        ]
        await asyncio.sleep(0.05)
        await proxy.cut()
        proxy.flow()
        await proxy.mend()
        results = await asyncio.gather(*flying, return_exceptions=True)
        assert all(result is None or isinstance(result, PublishUnconfirmed) for result in results)
        assert any(isinstance(result, PublishUnconfirmed) for result in results)
        await publisher.publish(lane.name, b"x", schema=SCHEMA)


async def test_a_silent_link_costs_the_timeout_and_no_more(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane().through(proxy)
    async with lane.publisher() as publisher:
        await publisher.publish(lane.name, b"x", schema=SCHEMA)
        proxy.silence()
        async with asyncio.timeout(3):
            with pytest.raises(PublishFailed, match="broker silent"):
                await publisher.publish(lane.name, b"x" * 1_000_000, schema=SCHEMA, timeout=0.3)
        proxy.flow()
        await publisher.publish(lane.name, b"x", schema=SCHEMA)


async def test_a_link_that_stays_silent_is_given_up_and_made_anew(
    new_lane: NewLane, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT", 1)
    lane = new_lane().through(proxy)
    async with lane.publisher() as publisher:
        await publisher.publish(lane.name, b"x", schema=SCHEMA)
        proxy.silence()
        await eventually(lambda: publisher.problem, 12)
        await proxy.cut()
        proxy.flow()
        await proxy.mend()
        await publisher.publish(lane.name, b"x", schema=SCHEMA)


async def test_whoever_waits_for_a_confirm_learns_that_the_link_was_given_up(
    new_lane: NewLane, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT", 1)
    lane = new_lane().through(proxy)
    async with lane.publisher() as publisher:
        await publisher.publish(lane.name, b"x", schema=SCHEMA)
        proxy.silence()
        waiting = [asyncio.create_task(publisher.publish(lane.name, b"x", schema=SCHEMA, timeout=60)) for _ in range(3)]
        done, _ = await asyncio.wait(waiting, timeout=30)
        assert len(done) == 3
        for one in done:
            assert not one.cancelled(), "the client library's cancellation must not pass for one of ours"
            assert isinstance(one.exception(), PublishUnconfirmed)
        proxy.flow()
        await publisher.publish(lane.name, b"x", schema=SCHEMA, timeout=30)


async def test_leaving_while_the_broker_is_away_takes_no_time(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane().through(proxy)
    async with asyncio.timeout(5), lane.publisher() as publisher:
        await publisher.publish(lane.name, b"x", schema=SCHEMA)
        await proxy.cut()
