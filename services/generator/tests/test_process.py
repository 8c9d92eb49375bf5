"""The generator as a process: killed at any moment, stopped in order, and refused when it cannot work."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from services.generator.tests.conftest import Store

from telltale_shared.broker import BrokerAddress, Link, Subscription, consume
from telltale_shared.contracts import Heartbeat, ProducerState, decode
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import EVENTS_QUEUE, topology

pytestmark = pytest.mark.anyio

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def vhost(new_broker: Callable[[], Access]) -> Access:
    return new_broker()


@pytest.fixture
def start(vhost: Access, tmp_path: Path, free_port: int) -> Iterator[Start]:
    """Start a generator at 20 readings a second and series; more settings as arguments."""
    started: list[subprocess.Popen[str]] = []

    def run(**settings: str) -> "subprocess.Popen[str]":
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GENERATOR_")},
            "AMQP_URL": vhost.url,
            "AMQP_PASSWORD": vhost.password,
            "GENERATOR_PORT": str(free_port),
            "GENERATOR_RATE": "20",
            "GENERATOR_SPOOL_DIR": str(tmp_path / "spool"),
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "telltale_generator"],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            process.kill()


@pytest.fixture
async def store(vhost: Access) -> AsyncIterator[Store]:
    """What arrives for the writer."""
    store = Store(vhost)
    task = asyncio.create_task(store.take())
    yield store
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def said(vhost: Access) -> AsyncIterator[dict[str, ProducerState]]:
    """The last that heartbeats said about each producer."""
    states: dict[str, ProducerState] = {}

    async def handle(subscription: Subscription) -> None:
        while True:
            delivery = await subscription.get()
            message = decode(delivery.body)
            if isinstance(message, Heartbeat):
                states.update({state.producer: state for state in message.producers})
            await subscription.acknowledge_through(delivery.tag)

    link = Link(BrokerAddress(vhost.url, vhost.password), topology(), name="heartbeats")
    task = asyncio.create_task(consume(link, EVENTS_QUEUE, handle, prefetch=10))
    yield states
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_killed_again_and_again_it_loses_and_reuses_nothing(
    start: Start, store: Store, said: dict[str, ProducerState]
) -> None:
    mine: list[str] = []
    for _ in range(3):
        process, before = start(), store.producers()
        mine.append(await _newcomer(store, before))
        process.kill()
        await asyncio.to_thread(process.wait)
    process, before = start(), store.producers()
    mine.append(await _newcomer(store, before))
    await eventually(lambda: all(name in said and said[name].closed for name in mine[:3]))
    process.terminate()
    assert await asyncio.to_thread(process.wait, 15) == -signal.SIGTERM
    await eventually(lambda: mine[3] in said and said[mine[3]].closed)
    assert len(set(mine)) == 4
    for name in mine:
        published = said[name].published
        assert said[name] == ProducerState(producer=name, published=published, confirmed=published, closed=True)
        assert store.numbers(name) == list(range(1, published + 1))
        # A delivery that came twice came byte for byte.
        assert len(set(store.bodies_of(name))) == len({batch.first for batch in store.of(name)})


async def _newcomer(store: Store, before: set[str]) -> str:
    """The producer of which something arrives for the first time."""
    await eventually(lambda: store.producers() - before)
    (producer,) = store.producers() - before
    return producer


async def test_told_to_stop_it_flushes_and_says_closed(
    start: Start, store: Store, said: dict[str, ProducerState]
) -> None:
    process, already = start(), store.producers()
    await eventually(lambda: store.producers() - already)
    (producer,) = store.producers() - already
    process.terminate()
    assert await asyncio.to_thread(process.wait, 15) == -signal.SIGTERM
    await eventually(lambda: producer in said and said[producer].closed)
    assert said[producer].published == said[producer].confirmed
    await eventually(lambda: store.numbers(producer) == list(range(1, said[producer].published + 1)))


async def test_without_a_broker_it_fills_its_spool_and_stops_in_time(
    start: Start, tmp_path: Path, free_port: int
) -> None:
    process = start(AMQP_URL="amqp://telltale@127.0.0.1:9/none")
    log = tmp_path / "spool" / "spool.sqlite3-wal"
    await eventually(lambda: log.exists() and log.stat().st_size > 50_000)

    async def answers() -> bool:
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"http://127.0.0.1:{free_port}/health/live")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(answers)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == -signal.SIGTERM


async def test_a_spool_in_use_stops_the_second(start: Start, store: Store, free_port: int) -> None:
    already = store.producers()
    start()
    await eventually(lambda: store.producers() - already)
    second = start(GENERATOR_PORT=str(free_port + 1))
    output, _ = await asyncio.to_thread(second.communicate)
    assert second.returncode == 3
    assert "in use by another generator" in output


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"GENERATOR_RATE": "fast"}, "GENERATOR_RATE"),
        ({"GENERATOR_SOURCE": "replay"}, "GENERATOR_REPLAY_FILE"),
        ({"GENERATOR_SOURCE": "replay", "GENERATOR_REPLAY_FILE": "/nowhere.csv"}, "GENERATOR_REPLAY_FILE"),
        ({"GENERATOR_NAME": "Has Blanks"}, "GENERATOR_NAME"),
        ({"GENERATOR_PARTITION": "1"}, "GENERATOR_PARTITION"),
        ({"GENERATOR_ANOMALY_MINUTES": "5"}, "GENERATOR_ANOMALY_MINUTES"),
    ],
)
async def test_a_bad_setting_stops_it_with_one_line(start: Start, settings: dict[str, str], line: str) -> None:
    process = start(**settings)
    output, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 3
    assert len(output.splitlines()) == 1
    assert line in output


async def test_a_file_that_cannot_be_replayed_stops_it_and_is_named(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("source,category,observed_at,value\na,b,yesterday,1\n")
    process = start(GENERATOR_SOURCE="replay", GENERATOR_REPLAY_FILE=str(file))
    output, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 3
    assert "bad.csv cannot be replayed: line 2, observed_at" in output
