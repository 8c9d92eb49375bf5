"""What the alerts service counts."""

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from telltale_alerts.monitor import Monitor

READINGS = Counter("telltale_alerts_readings_total", "Readings evaluated")
IGNORED = Counter("telltale_alerts_readings_ignored_total", "Readings that were late or invalid and changed nothing")
MALFORMED = Counter("telltale_alerts_messages_malformed_total", "Messages that could not be read")
CHANGES = Counter("telltale_alerts_changes_total", "Changes of alerts", ["state"])
DELIVERIES = Counter("telltale_alerts_deliveries_total", "Attempts to tell a webhook", ["outcome"])
FIRING = Gauge("telltale_alerts_firing", "Alerts that fire, acknowledged and silenced ones included")
SERIES = Gauge("telltale_alerts_series", "Series watched")
BEHIND = Gauge("telltale_alerts_behind_seconds", "How far the evaluation is behind the present")


def watch(monitor: "Monitor") -> None:
    """Show what ``monitor`` holds whenever metrics are asked for."""
    FIRING.set_function(lambda: monitor.figures()["alerts_firing"])
    SERIES.set_function(lambda: monitor.figures()["series"])
    BEHIND.set_function(lambda: monitor.figures()["behind_seconds"])
