"""What the stand-in answers: a handful of series, and fixed rows for the administration pages."""

import math
import random
import time
from datetime import UTC, datetime
from typing import Any

from telltale_shared.contracts import AnomalyDetected

SERIES = [
    ("boiler-1", "pressure", "bar", 4.2),
    ("boiler-1", "temperature", "°C", 82.0),
    ("hall-2", "humidity", "%", 46.0),
    ("hall-2", "temperature", "°C", 21.5),
    ("press-3", "temperature", "°C", 64.0),
    ("press-3", "vibration", "mm/s", 2.1),
    ("pump-4", "flow", "l/min", 118.0),
    ("pump-4", "power", "W", 1450.0),
]


def now_us() -> int:
    return time.time_ns() // 1000


def iso(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat().replace("+00:00", "Z")


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def value_at(which: int, us: int) -> float:
    base = SERIES[which][3]
    seconds = us / 1e6
    noise = random.Random(which * 7919 + us // 1_000_000).gauss(0, 0.004)
    return base * (1 + 0.04 * math.sin(seconds / (40 + 9 * which)) + noise)


def expected_at(which: int, us: int) -> tuple[float, float]:
    base, seconds = SERIES[which][3], us / 1e6
    middle = base * (1 + 0.04 * math.sin(seconds / (40 + 9 * which)))
    return middle - 0.015 * base, middle + 0.015 * base


def ledger() -> dict[str, Any]:
    """Two producers, the second with three numbers missing; the first is the dead letters' own."""
    row = {
        "producer": "generator-7f3a",
        "service": "generator",
        "published": 345_678,
        "confirmed": 345_678,
        "stored": 345_675,
        "dead": 3,
        "missing": 0,
        "repeated": 0,
        "in_flight": 0,
        "dropped": 0,
        "last_seen_at": iso(now_us()),
    }
    other = {**row, "producer": "gauge-1", "service": "gauge", "missing": 3, "stored": 345_672}
    counts = [name for name, value in row.items() if isinstance(value, int)]
    totals = {name: int(str(row[name])) + int(str(other[name])) for name in counts}
    return {"from_day": None, "to_day": None, "producers": [row, other], "totals": totals}


def ledger_days(producer: str | None) -> list[dict[str, Any]]:
    whole = ledger()
    figures = next((one for one in whole["producers"] if one["producer"] == producer), whole["totals"])
    return [{**figures, "day": day} for day in ("2026-11-24", "2026-11-23", None)]


def missing_numbers(producer: str | None) -> list[dict[str, Any]]:
    return [] if producer == "generator-7f3a" else [{"producer": "gauge-1", "first": 4_712, "last": 4_714, "count": 3}]


def status() -> dict[str, Any]:
    names = ["auth", "detector", "gateway", "generator", "query", "writer"]
    return {
        "status": "degraded",
        "reasons": ["detector detector-1 is degraded"],
        "ledger": "345,678 published, 0 missing, 0 repeated",
        "totals": None,
        "instances": [
            {
                "service": name,
                "instance": f"{name}-1",
                "version": "0.1.0",
                "started_at": iso(now_us() - 3_600_000_000),
                "seen_at": iso(now_us()),
                "health": "ok" if name != "detector" else "degraded",
                "memory_bytes": 74_000_000 + 3_000_000 * n,
                "dependencies": {"broker": "ok"},
                "figures": {"readings_per_second": 8.0},
            }
            for n, name in enumerate(names)
        ],
        "queues": [
            {"name": "readings.store.0", "messages": 0, "consumers": 1},
            {"name": "events.store", "messages": 2, "consumers": 1},
            {"name": "readings.dead", "messages": 0, "consumers": 1},
        ],
        "broker": {"reachable": True, "problem": None},
        "database": {
            "reachable": True,
            "problem": None,
            "version": "10.11.8",
            "migration": "2026_11_23_initial",
            "size_bytes": 48_000_000,
            "latency_ms": 0.6,
            "tables": [],
        },
        "lag": {"deliveries_waiting": 0, "readings_in_flight": 3, "newest_record_age_seconds": 0.8},
    }


def dead_letters() -> list[dict[str, Any]]:
    return [
        {
            "id": str(n),
            "reason": reason,
            "producer": "generator-7f3a",
            "number": 4710 + n,
            "count": 1,
            "at": iso(now_us() - n * 90_000_000),
            "detail": detail,
            "payload": '{"source": "press-3", "category": "temperature", "observed_at": 1764000000000000, "value": 7}',
            "payload_bytes": 96,
            "resolution": None,
            "resolved_by": None,
            "resolved_at": None,
        }
        for n, (reason, detail) in enumerate(
            [
                ("conflict", "another value is stored for this series and instant"),
                ("in_the_future", "observed_at lies in the future beyond the allowed clock skew"),
                ("in_the_future", "observed_at lies in the future beyond the allowed clock skew"),
            ],
            start=1,
        )
    ]


def logs() -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "at": iso(now_us() - n * 7_000_000),
            "service": "writer",
            "instance": "writer-1",
            "level": "warning",
            "logger": "telltale.writer",
            "message": f"batch held: lock wait timeout, attempt {n}",
            "request_id": None,
            "fields": {},
        }
        for n in range(1, 9)
    ]


def audit() -> list[dict[str, Any]]:
    return [
        {
            "id": 1,
            "at": iso(now_us() - 60_000_000),
            "actor": "admin@example.com",
            "action": "user.role_changed",
            "target": "viewer@example.com",
            "detail": {"from": "VIEWER", "to": "USER"},
        }
    ]


def choose(sources: list[str], categories: list[str]) -> list[int]:
    return [
        n
        for n, (source, category, _, _) in enumerate(SERIES)
        if (not sources or source in sources) and (not categories or category in categories)
    ]


def anomaly(which: int, at: int) -> AnomalyDetected:
    source, category, unit, base = SERIES[which]
    value = base * 1.12
    return AnomalyDetected(
        source=source,
        category=category,
        unit=unit,
        observed_at=at,
        value=value,
        score=8.4,
        expected_low=base * 0.94,
        expected_high=base * 1.06,
        kind="spike",
        detector="robust",
        version="1",
        explanation=f"{value:.1f} lies far above the expected range.",
        detected_at=at + 40_000,
    )


def sensitivity(threshold: float) -> dict[str, Any]:
    """How a series is watched; two of its spikes were dismissed."""
    levels = {"high": 4.5, "normal": 6.0, "low": 9.0}
    kinds = ("spike", "level_shift", "variance", "season", "flatline", "out_of_range")
    return {
        "threshold": threshold,
        "level": next((name for name, value in levels.items() if value == threshold), None),
        "levels": levels,
        "kinds": [
            {"kind": kind, "limit": threshold * (1.5625 if kind == "spike" else 1), "lessons": 2 * (kind == "spike")}
            for kind in kinds
        ],
        "verdicts_from": None,
        "set_by": None,
        "set_at": None,
    }


def trial(now: int, *, marks: int) -> dict[str, Any]:
    """What a sensitivity would have marked."""
    anomalies = [
        {
            "observed_at": iso(now - (n + 1) * 600_000_000),
            "value": 70.0 + n,
            "score": 9.0,
            "expected_low": 40.0,
            "expected_high": 50.0,
            "kind": "spike",
            "explanation": "Spike: far above what was expected.",
        }
        for n in range(marks)
    ]
    return {"threshold": 6.0, "readings": 7_200, "read_from": None, "is_whole": True, "anomalies": anomalies}
