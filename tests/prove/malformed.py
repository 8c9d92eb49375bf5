"""Many malformed messages among many good ones: each is judged rightly, and the good ones hardly wait for it."""

import asyncio
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.prove import evidence
from tests.prove.checker import Verdict, check
from tests.prove.lists import Lists, read_attempted, read_confirmed
from tests.prove.load import Broker, Load
from tests.prove.messages import HUGE, POISONS
from tests.prove.system import System

PER_DELIVERY = 20
MALFORMED = 0.2
"""Share of the messages that are malformed: ten thousand among a million readings."""
SHARE = 0.5
"""Of the throughput of a clean run, that must be left."""
FILLING_RATE = 40_000.0
PATIENCE = 60.0
_SPOILS = [spoil for name, spoil in POISONS.items() if name != HUGE]
"""Every kind but the one whose size would be what is measured."""


async def malformed_among_many(system: System, engine: AsyncEngine, folder: Path, readings: int) -> Verdict:
    """A clean queue, then one with malformed messages, each stored by a writer that finds it full."""
    clean, clean_rate = await _drain(system, engine, folder, "clean", readings, 0.0)
    dirty, dirty_rate = await _drain(system, engine, folder, "malformed", readings, MALFORMED)
    share = dirty_rate / clean_rate
    print(
        f"{readings:,} readings in {readings // PER_DELIVERY:,} messages: {clean_rate:,.0f}/s;"
        f" with {MALFORMED:.0%} malformed messages {dirty_rate:,.0f}/s, {share:.0%}"
        f" ({dirty.dead:,} dead letters with the right reason, {dirty.stored:,} stored)"
    )
    verdict = clean + dirty
    if share < SHARE:
        verdict.complaints.append(f"malformed messages leave {share:.0%} of the throughput only")
    return verdict


async def _drain(
    system: System, engine: AsyncEngine, folder: Path, title: str, readings: int, spoiled: float
) -> tuple[Verdict, float]:
    """Fill the queue while the writer is stopped; then readings a second until all are settled."""
    name = f"prove-{title}-{time.time_ns() // 1_000_000:x}"
    broker = Broker(system.amqp_url(system.port("rabbitmq")))
    with closing(Lists(folder / name)) as lists:
        load = Load(broker, lists, name=name, rate=FILLING_RATE, series=40, per_delivery=PER_DELIVERY, seed=1)
        load.shows_live = False
        load.spoils, load.spoiled_share = _SPOILS, spoiled
        await system.stop_process("writer")
        done = asyncio.Event()
        loading = asyncio.create_task(load.run(done))
        while load.last_number < readings:
            await asyncio.sleep(0.05)
        done.set()
        await loading
        await system.start_process("writer")
        while (await evidence.account(engine, name)).watermark == 0:
            await asyncio.sleep(0.02)
        begun, first = time.monotonic(), (await evidence.account(engine, name)).watermark
        await evidence.at_rest(engine, name, load.last_number, PATIENCE)
        rate = (load.last_number - first) / (time.monotonic() - begun)
    await broker.close()
    found = await evidence.collect(engine, name, name)
    verdict = await asyncio.to_thread(
        lambda: check(read_attempted(folder / name), read_confirmed(folder / name), found)
    )
    return verdict, rate
