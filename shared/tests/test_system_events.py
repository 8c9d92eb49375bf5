"""What an instance tells of itself while the broker comes and goes."""

import asyncio
from typing import Any

import pytest

from telltale_shared import system_events
from telltale_shared.broker import PublishUnconfirmed
from telltale_shared.contracts import LogEvent, ProducerState, decode
from telltale_shared.health import Health
from telltale_shared.system_events import LOGS_HELD, SystemEvents
from telltale_shared.testing import eventually

pytestmark = pytest.mark.anyio


class Broker:
    """A publisher whose broker may be away."""

    def __init__(self) -> None:
        self.away = True
        self.told: list[str] = []

    async def publish(self, _: str, body: bytes, **__: Any) -> None:
        if self.away:
            raise PublishUnconfirmed
        message = decode(body)
        if isinstance(message, LogEvent):
            self.told.append(message.message)


async def test_logs_are_held_bounded_and_it_is_said_how_many_gave_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_events, "HEARTBEAT_PERIOD", 0.01)
    heard: list[Any] = []

    def add_listener(listener: Any) -> Any:
        heard.append(listener)
        return heard.clear

    monkeypatch.setattr(system_events, "add_listener", add_listener)
    warnings: list[int] = []
    monkeypatch.setattr(system_events.log, "warning", lambda _, count: warnings.append(count), raising=False)
    broker: Any = Broker()
    running = asyncio.create_task(SystemEvents(broker, Health(), service="test", version="1").run())
    await eventually(lambda: heard)
    for n in range(LOGS_HELD + 7):
        heard[0]({"level": "warning", "event": str(n)})
    heard[0]({"level": "info", "event": "not told"})
    broker.away = False
    await eventually(lambda: warnings)
    assert broker.told == [str(n) for n in range(7, LOGS_HELD + 7)]
    assert warnings == [7]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_producers_count_as_reported_once_the_broker_keeps_the_heartbeat() -> None:
    reported: list[list[ProducerState]] = []
    state = ProducerState(producer="p", published=7, confirmed=7, closed=True)
    broker: Any = Broker()
    events = SystemEvents(
        broker, Health(), service="test", version="1", producers=lambda: [state], on_reported=reported.append
    )
    await events.publish_now()
    assert reported == []
    broker.away = False
    await events.publish_now()
    assert reported == [[state]]
