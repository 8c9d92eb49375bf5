"""How alerts and rules are put into words."""

from collections.abc import Mapping
from typing import Any

from telltale_ui.markdown import literal

SEVERITIES = ["critical", "warning", "info"]
"""Worst first."""
ICONS = {
    "critical": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "info": ":blue[:material/info:]",
}
STATES = {
    "pending": ":gray-badge[:material/hourglass_top: pending]",
    "firing": ":red-badge[:material/notifications_active: firing]",
    "acknowledged": ":blue-badge[:material/visibility: acknowledged]",
    "silenced": ":gray-badge[:material/notifications_off: silenced]",
    "resolved": ":green-badge[:material/check: resolved]",
}
KINDS = {
    "threshold": "A value beyond a limit",
    "anomaly": "An anomaly",
    "no_data": "No readings",
    "missing_readings": "Readings are missing",
}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """A duration in at most two units."""
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts) or "0 s"


def series_name(alert: Mapping[str, Any]) -> str:
    """The series of an alert; the system as a whole has none."""
    return f"{alert['source']} · {alert['category']}" if alert["source"] else "The whole system"


def heading(alert: Mapping[str, Any]) -> str:
    """The rule and the series of an alert, in Markdown."""
    return f"**{literal(alert['rule_name'])}** · {literal(series_name(alert))}"


def scope(rule: Mapping[str, Any]) -> str:
    """Which series a rule or silence is about."""
    sources, categories = ", ".join(rule["sources"]), ", ".join(rule["categories"])
    return " · ".join(part for part in (sources, categories) if part) or "every series"


def condition(rule: Mapping[str, Any]) -> str:
    """When a rule fires, in one phrase."""
    asked = rule["condition"]
    lasting = f" for {duration(rule['for_seconds'])}" if rule["for_seconds"] else ""
    after = rule["clear_after_seconds"]
    match asked["kind"]:
        case "threshold":
            clear = asked.get("clear")
            back = f", until {clear:g}" if clear is not None else ""
            return f"{asked['direction']} {asked['value']:g}{back}{lasting}"
        case "anomaly":
            kinds = f" ({', '.join(asked['kinds'])})" if asked["kinds"] else ""
            score = f" with a score of at least {asked['min_score']:g}" if asked["min_score"] else ""
            return f"an anomaly{kinds}{score}{lasting}, until none for {duration(after)}"
        case "no_data":
            return f"no reading{lasting}"
        case _:
            return f"confirmed readings are missing{lasting}"
