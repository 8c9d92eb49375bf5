"""This machine's own readings, through psutil: the load that everything here puts on it, and more."""

import os
import time
from collections.abc import Callable, Mapping

import psutil

from telltale_generator.sources.source import Grid, Reading, SeriesName

UNITS: Mapping[str, str | None] = {
    "cpu": "%",
    "memory": "%",
    "swap": "%",
    "load": None,
    "disk": "%",
    "disk_read": "B/s",
    "disk_written": "B/s",
    "network_received": "B/s",
    "network_sent": "B/s",
}
"""Every category that a host may have, and its unit."""

Measure = Callable[[], Mapping[str, float]]
"""Says what the host is doing right now: a value per category of ``UNITS``."""


class HostSource:
    """One reading per category at each instant of the grid; a missed instant cannot be measured any more.

    Args:
        name: name of the host, which the readings carry as their source.
        rate: readings per second and category.
        measure: asks the machine.
    """

    finished = False

    def __init__(self, *, name: str, rate: float, measure: Measure) -> None:
        self._name = name
        self._grid = Grid(rate)
        self._measure = measure
        self._categories = list(measure())

    @property
    def series(self) -> list[SeriesName]:
        """What this machine can be asked for."""
        return [SeriesName(self._name, category, UNITS[category]) for category in self._categories]

    def begin(self, now: int) -> None:
        """Leave out what lies before ``now``, and let rates count from here."""
        self._grid.begin(now)
        self._measure()

    def due(self, now: int) -> list[Reading]:
        """The state of the machine, if an instant of the grid has passed since the last call."""
        instants = self._grid.due(now)
        if not instants:
            return []
        return [
            Reading(self._name, category, UNITS[category], instants[-1], value)
            for category, value in self._measure().items()
        ]

    def next_due(self, now: int) -> int:
        """The next instant of the grid."""
        return self._grid.next_due(now)

    def set_rate(self, rate: float) -> None:
        """Measure ``rate`` times a second from now on."""
        self._grid = self._grid.at_rate(rate)


class Machine:
    """Measures this machine; rates are averages since the last measurement."""

    def __init__(self, disk: str = "/") -> None:
        self._disk = disk
        self._counters = _counters()
        self._at = time.monotonic()
        psutil.cpu_percent()

    def __call__(self) -> dict[str, float]:
        """A value per category, as far as this machine tells."""
        now, counters = time.monotonic(), _counters()
        seconds = max(now - self._at, 1e-3)
        values = {
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "swap": psutil.swap_memory().percent,
            "load": round(os.getloadavg()[0], 3),
            "disk": psutil.disk_usage(self._disk).percent,
        }
        for category, count in counters.items():
            # A counter that jumps back belongs to a device that went away or began anew.
            values[category] = round(max(count - self._counters.get(category, count), 0) / seconds, 1)
        self._counters, self._at = counters, now
        return values


def _counters() -> dict[str, int]:
    """Totals since the machine started, as far as it tells."""
    disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
    counters: dict[str, int] = {}
    if disk is not None:
        counters |= {"disk_read": disk.read_bytes, "disk_written": disk.write_bytes}
    if network is not None:
        counters |= {"network_received": network.bytes_recv, "network_sent": network.bytes_sent}
    return counters
