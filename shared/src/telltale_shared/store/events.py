"""Anomalies, heartbeats and log events as they come from the broker; each stored once however often it comes."""

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.contracts import AnomalyDetected, Heartbeat, LogEvent
from telltale_shared.instants import instant
from telltale_shared.store.series import NewSeries, find_or_create_series

_INSERT_ANOMALY = text("""
INSERT IGNORE INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,
  expected_high, explanation, detected_at)
VALUES (:series_id, :observed_at, :detector, :version, :kind, :value, :score, :expected_low, :expected_high,
  :explanation, :detected_at)
""")
_UPSERT_INSTANCE = text("""
INSERT INTO service_instances (instance, service, version, started_at, seen_at, health, memory_bytes, dependencies,
  figures)
VALUES (:instance, :service, :version, :started_at, :seen_at, :health, :memory_bytes, :dependencies, :figures)
ON DUPLICATE KEY UPDATE
  health = IF(VALUES(seen_at) >= seen_at, VALUES(health), health),
  memory_bytes = IF(VALUES(seen_at) >= seen_at, VALUES(memory_bytes), memory_bytes),
  dependencies = IF(VALUES(seen_at) >= seen_at, VALUES(dependencies), dependencies),
  figures = IF(VALUES(seen_at) >= seen_at, VALUES(figures), figures),
  seen_at = GREATEST(seen_at, VALUES(seen_at))
""")
_FORGET_INSTANCES = text("DELETE FROM service_instances WHERE seen_at < :before LIMIT 100")
_INSERT_LOG = text("""
INSERT IGNORE INTO system_logs (at, service, instance, level, logger, message, request_id, fields)
VALUES (:at, :service, :instance, :level, :logger, :message, :request_id, :fields)
""")


async def store_anomalies(connection: AsyncConnection, anomalies: Sequence[AnomalyDetected], *, now: int) -> None:
    """Store ``anomalies``; one that is known by (series, instant, detector) stays as it was."""
    if not anomalies:
        return
    wanted = {(a.source, a.category): NewSeries(a.unit, a.value) for a in anomalies}
    series = await find_or_create_series(connection, wanted, now=now)
    await connection.execute(
        _INSERT_ANOMALY,
        [
            {
                "series_id": series[a.source, a.category].id,
                "observed_at": instant(a.observed_at),
                "detector": a.detector[:32],
                "version": a.version[:32],
                "kind": a.kind[:32],
                "value": a.value,
                "score": a.score,
                "expected_low": a.expected_low,
                "expected_high": a.expected_high,
                "explanation": a.explanation[:1_000],
                "detected_at": instant(a.detected_at),
            }
            for a in anomalies
        ],
    )


async def store_heartbeats(connection: AsyncConnection, heartbeats: Sequence[Heartbeat]) -> None:
    """Take over the newest state of each instance."""
    if not heartbeats:
        return
    newest = {beat.instance: beat for beat in sorted(heartbeats, key=lambda beat: beat.at)}
    await connection.execute(
        _UPSERT_INSTANCE,
        [
            {
                "instance": beat.instance[:128],
                "service": beat.service[:64],
                "version": beat.version[:32],
                "started_at": instant(beat.started_at),
                "seen_at": instant(beat.at),
                "health": beat.health[:16],
                "memory_bytes": beat.memory_bytes,
                "dependencies": json.dumps(beat.dependencies),
                "figures": json.dumps(beat.figures),
            }
            for _, beat in sorted(newest.items())
        ],
    )


async def forget_instances(connection: AsyncConnection, *, before: int) -> None:
    """Remove instances that were last seen before ``before`` (µs since 1970-01-01 UTC)."""
    await connection.execute(_FORGET_INSTANCES, {"before": instant(before)})


async def store_logs(connection: AsyncConnection, events: Sequence[LogEvent]) -> None:
    """Store log events; one instance has at most one at the same microsecond."""
    if not events:
        return
    await connection.execute(
        _INSERT_LOG,
        [
            {
                "at": instant(event.at),
                "service": event.service[:64],
                "instance": event.instance[:128],
                "level": event.level[:16],
                "logger": event.logger[:100],
                "message": event.message[:1_000],
                "request_id": event.request_id,
                "fields": json.dumps(event.fields),
            }
            for event in events
        ],
    )
