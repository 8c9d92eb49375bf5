"""Following a stream: from any position, in order, each message once, over every cut."""

import asyncio

import pytest
from shared.tests.conftest import SCHEMA, Lane, NewLane

from telltale_shared.broker import Place, StreamEvent, StreamOffset, follow
from telltale_shared.testing import eventually
from telltale_shared.testing_proxy import TcpProxy

pytestmark = pytest.mark.anyio

STREAM: dict[str, str | int | bool] = {"x-queue-type": "stream", "x-max-length-bytes": 10_000_000}


class Done(Exception):
    """Enough was seen."""


async def seen_from(lane: Lane, start: StreamOffset, last: bytes) -> list[StreamEvent]:
    """Everything from ``start`` to the message ``last``."""
    events: list[StreamEvent] = []

    async def handle(event: StreamEvent) -> None:
        events.append(event)
        if event.body == last:
            raise Done

    with pytest.raises(Done):
        await follow(lane.link(), lane.name, handle, start=start)
    return events


async def test_everything_from_the_first_message_on_with_its_place(new_lane: NewLane) -> None:
    lane = new_lane(STREAM)
    async with lane.publisher() as publisher:
        for n in range(300):
            await publisher.publish(lane.name, b"%d" % n, schema=SCHEMA, headers={"first": n}, persistent=False)
    events = await seen_from(lane, "first", b"299")
    assert [event.body for event in events] == [b"%d" % n for n in range(300)]
    assert [event.offset for event in events] == list(range(300))
    assert (events[7].schema, events[7].headers["first"]) == (SCHEMA, 7)


async def test_from_an_offset_inside_what_was_written_together(new_lane: NewLane) -> None:
    lane = new_lane(STREAM)
    async with lane.publisher() as publisher:
        await asyncio.gather(*(publisher.publish(lane.name, b"x", schema=SCHEMA) for _ in range(200)))
        await publisher.publish(lane.name, b"last", schema=SCHEMA)
    events = await seen_from(lane, 137, b"last")
    assert [event.offset for event in events] == list(range(137, 201))


async def test_from_an_age_and_from_next(new_lane: NewLane) -> None:
    lane = new_lane(STREAM)
    await lane.send(b"old", b"older")
    assert [event.body for event in await seen_from(lane, "5m", b"older")] == [b"old", b"older"]
    fresh: list[bytes] = []

    async def handle(event: StreamEvent) -> None:
        fresh.append(event.body)

    task = asyncio.create_task(follow(lane.link(), lane.name, handle, start="next"))
    async with lane.publisher() as publisher:

        async def arrives() -> bool:
            await publisher.publish(lane.name, b"new", schema=SCHEMA)
            return bool(fresh)

        await eventually(arrives)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert set(fresh) == {b"new"}


async def test_after_a_cut_it_goes_on_behind_the_last_message_handled(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane(STREAM)
    seen: list[bytes] = []

    async def handle(event: StreamEvent) -> None:
        seen.append(event.body)

    task = asyncio.create_task(follow(lane.through(proxy).link(), lane.name, handle, start="first"))
    async with lane.publisher() as publisher:
        for n in range(60):
            await publisher.publish(lane.name, b"%d" % n, schema=SCHEMA)
            if n % 20 == 10:
                await proxy.cut()
                await proxy.mend()
    await eventually(lambda: len(seen) >= 60)
    assert seen == [b"%d" % n for n in range(60)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_cut_before_the_first_message_does_not_move_next(new_lane: NewLane, proxy: TcpProxy) -> None:
    lane = new_lane(STREAM)
    await lane.send(b"old")
    seen: list[bytes] = []

    async def handle(event: StreamEvent) -> None:
        seen.append(event.body)

    link = lane.through(proxy).link()
    task = asyncio.create_task(follow(link, lane.name, handle, start="next"))
    await eventually(lambda: link.problem is None)
    await proxy.cut()
    await eventually(lambda: link.problem is not None)
    await proxy.mend()
    await eventually(lambda: link.problem is None)

    async def arrives() -> bool:
        await lane.send(b"new")
        return bool(seen)

    await eventually(arrives)
    assert set(seen) == {b"new"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_goes_on_at_the_beginning_of_a_stream_made_anew(
    new_lane: NewLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale_shared.broker.stream.REPLACED_AFTER", 0.5)
    lane = new_lane(STREAM)
    seen: list[tuple[int, bytes]] = []

    async def handle(event: StreamEvent) -> None:
        seen.append((event.offset, event.body))

    task = asyncio.create_task(follow(lane.link(), lane.name, handle, start="first"))
    await lane.send(b"a", b"b", b"c")
    await eventually(lambda: len(seen) == 3)
    async with lane.channel() as channel:
        await channel.queue_delete(lane.name)
    await lane.send(b"d")
    await eventually(lambda: len(seen) == 4)
    assert seen[3] == (0, b"d")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_another_process_goes_on_behind_the_place_it_was_told(new_lane: NewLane) -> None:
    lane = new_lane(STREAM)
    await lane.send(b"a", b"b", b"c", b"d")
    told = (await seen_from(lane, "first", b"b"))[-1].place
    events: list[StreamEvent] = []

    async def handle(event: StreamEvent) -> None:
        events.append(event)
        if event.body == b"d":
            raise Done

    with pytest.raises(Done):
        await follow(lane.link(), lane.name, handle, start="next", after=told)
    assert [(event.offset, event.body) for event in events] == [(2, b"c"), (3, b"d")]


@pytest.mark.parametrize("offset", [1, 700], ids=["another message is there", "nothing is there"])
async def test_a_place_in_another_stream_of_the_name_leads_to_its_beginning(
    new_lane: NewLane, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    monkeypatch.setattr("telltale_shared.broker.stream.REPLACED_AFTER", 0.5)
    lane = new_lane(STREAM)
    await lane.send(b"a", b"b", b"c")
    events: list[bytes] = []

    async def handle(event: StreamEvent) -> None:
        events.append(event.body)
        if event.body == b"c":
            raise Done

    with pytest.raises(Done):
        await follow(lane.link(), lane.name, handle, start="next", after=Place(offset, 1))
    assert events == [b"a", b"b", b"c"]
