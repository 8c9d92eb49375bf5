"""The gateway's fan-out beside nginx nchan, a raw loop of ``send()`` and FastAPI loops of ``send_text``.

1,000 subscribers get a frame of about 1 KB 20 times a second. Each server runs on the first core alone; the broker, the
publisher and the clients share the others. What counts is the processor time that the server's process uses per
delivery, taken turn by turn, because this differs from minute to minute on a shared machine; the gateway's includes
receiving from RabbitMQ, decoding and encoding. Then: the time from publishing to the client's socket; the same while
one client stops reading; the memory of subscribers who get nothing.

Usage: python tests/benchmarks/fanout.py [--subscribers 1000] [--seconds 6] [--rounds 3] [--only fanout|stalled|idle]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fanout_nginx
import psutil
from fanout_load import Counted, Plan
from fanout_rivals import RATE
from fanout_servers import (
    FASTAPI,
    FASTAPI_BEFORE,
    GATEWAY,
    NCHAN,
    OTHER_CORES,
    RAW,
    SERVER_CORE,
    Server,
    gateway,
    nchan,
    rival,
)
from report import Report
from services import Services

from telltale_shared.testing import Access, Servers

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
RUN = ROOT / ".run/bench-fanout"
STACK = (sys.executable, str(ROOT / "deploy/native/stack.py"))
OPTIONS = ("--run-dir", str(RUN), "--port-offset", "auto")
VHOST = "bench_fanout"
SETTLE_SECONDS = 1.0
STALL_SECONDS = 36
"""Time enough for the kernel's buffers to fill, and then for ten seconds without progress."""
DESCRIPTORS = 20_000


# --- processes


def processor_seconds(pid: int) -> float:
    """Processor time that the process has used so far, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Load:
    """The process with the clients."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "fanout_load.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        connected = self._ask(json.dumps(asdict(plan)))["connected"]
        assert connected == plan.connections, connected

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def measure(self, seconds: float) -> Counted:
        """What the clients get in ``seconds``."""
        return Counted(**self._ask(f"measure {seconds}"))

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


# --- what is measured


@dataclass
class Measured:
    """One server's turn."""

    seconds: float
    processor: float
    """Seconds of processor time."""
    counted: Counted

    @property
    def microseconds(self) -> float:
        """Processor time per delivery."""
        return 1e6 * self.processor / max(1, self.counted.frames)


def measure(server: Server, load: Load, seconds: float) -> Measured:
    """What ``server`` delivers in ``seconds``, and what it uses for it."""
    before = processor_seconds(server.pid)
    counted = load.measure(seconds)
    return Measured(seconds, processor_seconds(server.pid) - before, counted)


def compare(servers: list[Server], report: Report, subscribers: int, seconds: float, rounds: int) -> None:
    """All servers, turn by turn."""
    turns: dict[str, list[Measured]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            with server.fed(), Load(server.plan(subscribers)) as load:
                load.measure(SETTLE_SECONDS)
                turns[server.name].append(measure(server, load, seconds))
    report.title(f"{subscribers:,} subscribers, {RATE} frames a second each, {rounds} turns of {seconds:g} s")
    for name, measured in turns.items():
        bytes_each = sum(one.counted.bytes for one in measured) / max(1, sum(one.counted.frames for one in measured))
        used = statistics.median(one.microseconds for one in measured)
        busy = statistics.median(one.processor / one.seconds for one in measured)
        late = statistics.median(one.counted.latencies.get("p99", 0.0) for one in measured)
        report.line(name, f"{used:6.2f} µs a delivery, {1e6 / used:8,.0f} a CPU-second")
        report.line("", f"{bytes_each:,.0f} B, {100 * busy:.0f} % of a core, p99 {1_000 * late:.0f} ms")
    gateway = turns[GATEWAY]
    rate = min(one.counted.frames / one.seconds / subscribers for one in gateway)
    report.line("frames a second at every subscriber", f"{rate:.2f}", f"≥ {0.99 * RATE:g}", met=rate >= 0.99 * RATE)
    for name, target in ((NCHAN, 1.0), (RAW, 0.85), (FASTAPI, 2.0), (FASTAPI_BEFORE, 2.0)):
        if name in turns:
            pairs = zip(turns[name], gateway, strict=True)
            ratio = statistics.median(rival.microseconds / own.microseconds for rival, own in pairs)
            report.line(f"deliveries per CPU-second, of {name}", f"{ratio:.2f}", f"≥ {target:g}", met=ratio >= target)
    p99 = 1_000 * statistics.median(one.counted.latencies["p99"] for one in gateway)
    report.line("broker to socket, p99", f"{p99:.1f} ms", "≤ 100 ms", met=p99 <= 100)


def stall(server: Server, report: Report, subscribers: int, seconds: float, rounds: int) -> None:
    """One of the clients stops reading: what do the others notice, and what does it cost?

    Turns of equal length with nobody and with one who stops, since what the machine does else differs from turn to
    turn, and a delivery is late whenever the broker was.
    """
    turns: dict[int, list[Counted]] = {0: [], 1: []}
    memory: list[int] = []
    closed_after: list[float] = []
    process = psutil.Process(server.pid)
    for stalled in (0, 1) * rounds:
        with server.fed(), Load(server.plan(subscribers, stalled)) as load:
            began = time.monotonic()
            load.measure(SETTLE_SECONDS)
            for _ in range(int(STALL_SECONDS / seconds)):
                start = time.monotonic() - began
                counted = load.measure(seconds)
                closed_after += [start + after for after in counted.closed.values()]
                turns[stalled].append(counted)
                memory += [process.memory_info().rss] if stalled else []
    report.title(f"one of {subscribers:,} stops reading, {rounds} turns of {STALL_SECONDS} s and as many without")
    before, during = (1_000 * statistics.median(one.latencies["p99"] for one in counted) for counted in turns.values())
    moved = during / before - 1
    report.line(
        "p99 of the others", f"{before:.1f} ms, then {during:.1f} ms: {100 * moved:+.0f} %", "< 10 %", met=moved < 0.1
    )
    grown = (max(memory) - memory[0]) / 1024
    report.line("memory, from first to highest", f"{grown:+,.0f} KiB", "≤ 1 MiB", met=grown <= 1_024)
    told = ", ".join(f"{after:.0f} s" for after in closed_after) or "never"
    report.line("closed after it stopped", told, "", met=len(closed_after) == rounds)


def idle(server: Server, report: Report, subscribers: int) -> None:
    """What a subscriber costs who gets nothing."""
    process = psutil.Process(server.pid)
    with Load(server.plan(subscribers // 10)) as load:
        load.measure(SETTLE_SECONDS)
    time.sleep(SETTLE_SECONDS)
    before = process.memory_info().rss
    with Load(server.plan(subscribers)) as load:
        load.measure(2 * SETTLE_SECONDS)
        each = (process.memory_info().rss - before) / subscribers / 1_024
    report.title(f"{subscribers:,} idle subscribers")
    report.line("memory of each", f"{each:.1f} KiB", "≤ 30 KiB", met=each <= 30)


def run(arguments: argparse.Namespace, broker: Access, logs: Path) -> Report:
    """Measure over a running broker."""
    report = Report()
    subscribers, only = arguments.subscribers, arguments.only
    os.environ["GATEWAY_HISTORY_SECONDS"] = "5"  # soon full: what grows after that is no history
    for limit in ("CLIENTS", "CLIENTS_PER_ACCOUNT", "UNAUTHENTICATED"):
        os.environ[f"GATEWAY_MAX_{limit}"] = str(2 * subscribers)
    with ExitStack() as stack:
        own = gateway(stack.enter_context(Services(None, broker, logs)), broker)
        if only in (None, "idle"):
            idle(own, report, subscribers)
        if only in (None, "fanout"):
            servers = [
                stack.enter_context(rival("raw", RAW)),
                own,
                stack.enter_context(rival("websockets-sansio", FASTAPI)),
                stack.enter_context(rival("websockets", FASTAPI_BEFORE)),
            ]
            try:
                servers.insert(1, stack.enter_context(nchan(RUN / "nginx")))
            except fanout_nginx.NotToBeHad as reason:
                print(f"without nchan: {reason}")
            compare(servers, report, subscribers, arguments.seconds, arguments.rounds)
        if only in (None, "stalled"):
            stall(own, report, subscribers, arguments.seconds, arguments.rounds)
    return report


def main() -> None:
    """Parse the arguments, start a broker, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("fanout", "stalled", "idle"))
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    os.sched_setaffinity(0, OTHER_CORES or {SERVER_CORE})
    subprocess.run([*STACK, "servers-up", *OPTIONS], check=True, stdout=subprocess.DEVNULL)
    try:
        servers = Servers.read(RUN)
        if VHOST in servers.run_rabbitmqctl("-q", "list_vhosts").split():
            servers.run_rabbitmqctl("delete_vhost", VHOST)
        servers.run_rabbitmqctl("add_vhost", VHOST)
        servers.run_rabbitmqctl("set_permissions", "-p", VHOST, "telltale", ".*", ".*", ".*")
        broker = Access(f"{servers.amqp_url}{VHOST}", servers.amqp_password)
        with tempfile.TemporaryDirectory() as logs:
            report = run(arguments, broker, Path(logs))
    finally:
        subprocess.run([*STACK, "servers-down", *OPTIONS], check=True, stdout=subprocess.DEVNULL)
    report.summary()


if __name__ == "__main__":
    main()
