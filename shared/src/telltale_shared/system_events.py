"""What a running instance tells the others: a heartbeat every few seconds, and its warnings and errors."""

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any

import psutil
import structlog

from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import Heartbeat, LogEvent, ProducerState, encode, schema_of
from telltale_shared.health import Health
from telltale_shared.logs import add_listener
from telltale_shared.topology import LIVE_SYSTEM, STORE_EVENTS

log = structlog.get_logger("telltale.system_events")

HEARTBEAT_PERIOD = 5.0
LOGS_HELD = 1_000
PUBLISH_TIMEOUT = 4.0
TOLD_LEVELS = frozenset({"warning", "error", "critical"})

Figures = Callable[[], dict[str, float]]
Producers = Callable[[], list[ProducerState]]
OnReported = Callable[[list[ProducerState]], None]
"""Told what a heartbeat said of producers, once the broker has confirmed that it keeps that for the ledger."""


def now_us() -> int:
    """Now, µs since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


class SystemEvents:
    """Publishes heartbeats and log events of one instance for as long as :meth:`run` runs.

    Logs are held in a bounded buffer while the broker is away: the oldest give way, and how many did is logged.
    """

    def __init__(
        self,
        publisher: Publisher,
        health: Health,
        *,
        service: str,
        version: str,
        figures: Figures | None = None,
        producers: Producers | None = None,
        on_reported: OnReported | None = None,
    ) -> None:
        self._publisher = publisher
        self._health = health
        self._service = service
        self._version = version
        self._figures = figures or dict
        self._producers = producers or list
        self._on_reported = on_reported
        self.instance = f"{service}@{socket.gethostname()}:{os.getpid()}"
        self._started_at = now_us()
        self._process = psutil.Process()
        self._logs: deque[LogEvent] = deque(maxlen=LOGS_HELD)
        self._given_up = 0

    async def run(self) -> None:
        """Publish until cancelled. A broker that is away is not an error here."""
        remove_listener = add_listener(self._hold)
        try:
            while True:
                await self._publish_heartbeat()
                await self._publish_logs()
                await asyncio.sleep(HEARTBEAT_PERIOD)
        finally:
            remove_listener()

    async def heartbeat(self) -> Heartbeat:
        """The heartbeat as it would be sent now."""
        readiness = await self._health.readiness()
        return Heartbeat(
            service=self._service,
            instance=self.instance,
            version=self._version,
            started_at=self._started_at,
            at=now_us(),
            health=readiness.status,
            memory_bytes=self._process.memory_info().rss,
            dependencies=readiness.dependencies,
            figures=self._figures(),
            producers=self._producers(),
        )

    async def publish_now(self) -> None:
        """Send a heartbeat at once, e.g. the last one of a producer that closes."""
        await self._publish_heartbeat()

    def _hold(self, entry: MutableMapping[str, Any]) -> None:
        if entry.get("level") in TOLD_LEVELS:
            self._given_up += len(self._logs) == LOGS_HELD
            self._logs.append(_log_event(self._service, self.instance, entry))

    async def _publish_heartbeat(self) -> None:
        heartbeat = await self.heartbeat()
        body, schema = encode(heartbeat), schema_of(heartbeat)
        for routing_key in (STORE_EVENTS, LIVE_SYSTEM):
            try:
                await self._publisher.publish(routing_key, body, schema=schema, timeout=PUBLISH_TIMEOUT)
            except PublishFailed as error:
                log.info("heartbeat not sent", routing_key=routing_key, error=str(error))
            else:
                if routing_key == STORE_EVENTS and self._on_reported is not None:
                    self._on_reported(heartbeat.producers)

    async def _publish_logs(self) -> None:
        while self._logs:
            event = self._logs[0]
            try:
                await self._publisher.publish(
                    STORE_EVENTS, encode(event), schema=schema_of(event), timeout=PUBLISH_TIMEOUT
                )
            except PublishFailed as error:
                log.info("log events held", waiting=len(self._logs), error=str(error))
                return
            if self._logs and self._logs[0] is event:
                self._logs.popleft()
        if self._given_up:
            given_up, self._given_up = self._given_up, 0
            log.warning("log events given up while the broker was away", count=given_up)


def _log_event(service: str, instance: str, entry: MutableMapping[str, Any]) -> LogEvent:
    known = {"level", "event", "logger", "timestamp", "service", "request_id"}
    timestamp = entry.get("timestamp")
    at = int(datetime.fromisoformat(timestamp).timestamp() * 1_000_000) if isinstance(timestamp, str) else now_us()
    request_id = entry.get("request_id")
    return LogEvent(
        service=service,
        instance=instance,
        at=at,
        level=str(entry.get("level")),
        logger=str(entry.get("logger", "")),
        message=str(entry.get("event", ""))[:1_000],
        request_id=None if request_id is None else str(request_id),
        fields={key: str(value)[:2_000] for key, value in entry.items() if key not in known},
    )
