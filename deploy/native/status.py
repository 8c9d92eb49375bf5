"""What the processes of a stack are doing: health, memory, and the table that `make status` prints."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from layout import PORTS, Layout
from processes import SERVICES, Process
from supervision import Supervisor

MEMORY_TARGET = 1.2 * 2**30  # bytes that all Python processes together should stay below


@dataclass(frozen=True)
class Health:
    """Whether a service can do its work, and if not, why."""

    ok: bool
    detail: str


def health(layout: Layout, process: Process) -> Health:
    """Ask a service whether it is ready."""
    url = f"http://127.0.0.1:{layout.port(process.name)}{process.ready}"
    try:
        with urllib.request.urlopen(url, timeout=3):
            return Health(True, "ok")
    except urllib.error.HTTPError as error:
        return Health(False, _complaints(error.read()) or f"HTTP {error.code}")
    except OSError as error:
        return Health(False, str(getattr(error, "reason", error)))


def _complaints(body: bytes) -> str:
    try:
        dependencies = json.loads(body)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return ""
    return ", ".join(f"{name}: {line}" for name, line in dependencies.items() if line != "ok")


@dataclass(frozen=True)
class Memory:
    """Bytes in RAM: `rss` counts shared pages in full, `pss` its share of them, so that a sum of `pss` is exact.

    `anonymous` is the part of `pss` that no file backs: what a process has allocated, whoever else runs the same code.
    """

    rss: int
    pss: int
    anonymous: int

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss, self.anonymous + other.anonymous)


def families() -> dict[int, list[int]]:
    """Children of each process."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parts[2]))
    return children


def _own_memory(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return Memory(0, 0, 0)
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return Memory(sizes.get("Rss", 0), sizes.get("Pss", 0), sizes.get("Pss_Anon", 0))


def memory(pid: int, children: dict[int, list[int]]) -> Memory:
    """What a process and its descendants hold."""
    total = _own_memory(pid)
    for child in children.get(pid, []):
        total += memory(child, children)
    return total


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def print_table(layout: Layout, supervisor: Supervisor) -> bool:
    """Print a row per process; whether all of them run and are healthy."""
    services = {process.name: process for process in SERVICES}
    children = families()
    all_well = True
    python = _own_memory(supervisor.pid())
    rows = [("process", "state", "pid", "port", "RSS", "PSS", "health")]
    for name, info in supervisor.processes().items():
        used = memory(info["pid"], children) if info["pid"] else Memory(0, 0, 0)
        answer = health(layout, services[name]) if name in services else None
        if name in services:
            python += used
        all_well &= info["statename"] == "RUNNING" and (answer is None or answer.ok)
        port = str(layout.port(name)) if name in PORTS else ""
        detail = answer.detail if answer else ""
        rows.append(
            (
                name,
                info["statename"].lower(),
                str(info["pid"] or ""),
                port,
                *map(_mebibytes, (used.rss, used.pss)),
                detail,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        print("  ".join([*cells, row[-1]]).rstrip())
    verdict = "within" if python.pss <= MEMORY_TARGET else "above"
    print(
        f"\nAll Python processes (supervisord included): {_mebibytes(python.pss)} PSS, {_mebibytes(python.rss)} RSS; "
        f"{verdict} the target of {_mebibytes(int(MEMORY_TARGET))}"
    )
    return all_well
