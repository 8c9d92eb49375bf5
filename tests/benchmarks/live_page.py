"""The live page over a long time: frame rate, memory, sockets and script runs, with 12 busy series on it.

A stack of its own, from which the generators are taken; this program publishes instead, 20 times a second. One
headless Chromium shows the page, another one an empty animation loop, at the same time, so that both meet the same
machine. In every minute both count their animation frames; the heap is measured after a collection.

Usage: python tests/benchmarks/live_page.py [--minutes 30] [--series 12] [--rate 20]
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import CDPSession, Page, Playwright, expect, sync_playwright
from report import Report

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.live_browser import BROWSER_ARGUMENTS, Traffic, chart, figure  # noqa: E402 - after the path

from telltale_shared.broker import BrokerAddress, Publisher, PublishFailed  # noqa: E402 - after the path
from telltale_shared.contracts import ReadingBatch, SeriesKey, encode  # noqa: E402 - after the path
from telltale_shared.topology import LIVE_READINGS, topology  # noqa: E402 - after the path

RUN = ROOT / ".run/bench-live"
STACK = (sys.executable, str(ROOT / "deploy/native/stack.py"))
OPTIONS = ("--run-dir", str(RUN), "--port-offset", "auto", "--env-file", "/dev/null")
NOT_NEEDED = ("generator", "generator-host", "detector", "jobs")
UI_PORT, RABBITMQ_PORT = 8501, 13_672
WARM_UP_MINUTES = 6
"""By then the five minutes in view are full of busy readings."""
FRAME_RATE_SHARE, HEAP_GROWTH = 0.95, 1.10
COUNT_FRAMES = """() => {
  let frames = 0;
  const count = () => { frames++; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  window.countedFrames = () => { const counted = frames; frames = 0; return counted; };
}"""


def stack(command: str, *names: str) -> None:
    """One command of the native stack, of this bench's own."""
    subprocess.run([*STACK, command, *names, *OPTIONS], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def running_stack() -> Iterator[int]:
    """Everything but the sources, with how far its ports are moved."""
    with suppress(subprocess.CalledProcessError):
        stack("down")
    shutil.rmtree(RUN, ignore_errors=True)
    stack("up", "--group", "dev")
    try:
        stack("stop", *NOT_NEEDED)
        yield int((RUN / "port-offset").read_text())
    finally:
        stack("down")


@contextmanager
def published(offset: int, series: int, rate: float) -> Iterator[None]:
    """Readings of ``series`` sensors, ``rate`` times a second each, until the end of the block."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_publish(offset, series, rate, over)))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


async def _publish(offset: int, series: int, rate: float, over: threading.Event) -> None:
    password = next((RUN / "secrets").glob("*/AMQP_PASSWORD")).read_text().strip()
    address = BrokerAddress(f"amqp://telltale@127.0.0.1:{RABBITMQ_PORT + offset}/telltale", password)
    keys = [SeriesKey(f"press-{number % 4 + 1}", f"channel-{number // 4 + 1}", "mm/s") for number in range(series)]
    async with Publisher(address, topology(), name="bench: live page") as publisher:
        first, due = 1, time.time()
        while not over.is_set():
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.time()))
            now = time.time_ns() // 1_000
            batch = ReadingBatch(
                producer="bench", service="bench", first=first, confirmed=first - 1, published_at=now, series=keys,
                index=list(range(series)), observed_at=[now] * series,
                value=[float((now // 1_000 * (7 + number)) % 9_973) / 1_000 for number in range(series)],
            )  # fmt: skip
            first += series
            with suppress(PublishFailed):
                await publisher.publish(LIVE_READINGS, encode(batch), schema="reading_batch/1", timeout=5.0)


@dataclass
class Minute:
    """What one minute showed."""

    page_rate: float
    empty_rate: float
    heap_mib: float
    load: float


def open_pages(playwright: Playwright, url: str) -> tuple[Page, Page, Traffic, CDPSession]:
    """The live page, the empty one in a browser of its own, what goes over the former's sockets, and its profiler."""
    pages = []
    for _ in range(2):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=BROWSER_ARGUMENTS)
        pages.append(browser.new_context(viewport={"width": 1400, "height": 1000}).new_page())
    page, empty = pages
    traffic = Traffic(page)
    page.goto(url)
    page.get_by_role("button", name="Viewer", exact=True).click()
    expect(chart(page)).to_have_attribute("data-state", "live", timeout=60_000)
    # The page as it is opened by somebody who is signed in: what signing in opened is not counted.
    traffic.opened.clear()
    page.goto(url)
    expect(chart(page)).to_have_attribute("data-state", "live", timeout=60_000)
    page.wait_for_timeout(5_000)
    for one in pages:
        one.evaluate(COUNT_FRAMES)
    profiler = page.context.new_cdp_session(page)
    profiler.send("Performance.enable")
    return page, empty, traffic, profiler


def heap_mib(profiler: CDPSession) -> float:
    """JavaScript's heap after a collection."""
    profiler.send("HeapProfiler.collectGarbage")
    metrics = profiler.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")) / 2**20


def watch(page: Page, empty: Page, profiler: CDPSession, minutes: int) -> list[Minute]:
    """A row a minute, printed as it comes."""
    found = []
    for number in range(1, minutes + 1):
        began = time.monotonic()
        for one in (page, empty):
            one.evaluate("countedFrames()")
        page.wait_for_timeout(60_000)
        elapsed = time.monotonic() - began
        page_rate, empty_rate = (float(one.evaluate("countedFrames()")) / elapsed for one in (page, empty))
        minute = Minute(page_rate, empty_rate, heap_mib(profiler), os.getloadavg()[0])
        print(
            f"  minute {number:>3}: page {minute.page_rate:5.1f} frames/s, empty {minute.empty_rate:5.1f},"
            f" heap {minute.heap_mib:5.1f} MiB, load {minute.load:.1f}",
            flush=True,
        )
        found.append(minute)
    return found


def measure(options: argparse.Namespace) -> Report:
    """The whole run, and what of it is as it should be."""
    report = Report()
    with (
        running_stack() as offset,
        published(offset, options.series, options.rate),
        sync_playwright() as playwright,
    ):
        page, empty, traffic, profiler = open_pages(playwright, f"http://127.0.0.1:{UI_PORT + offset}/")
        report.title(f"Live page, {options.series} series at {options.rate:g} readings/s each, {options.minutes} min")
        before, painted = traffic.reruns, figure(page, "painted-points")
        minutes = watch(page, empty, profiler, options.minutes)
        share = sum(one.page_rate for one in minutes) / sum(one.empty_rate for one in minutes)
        report.line(
            "animation frames, of those of an empty loop", f"{share:.3f}", f"≥ {FRAME_RATE_SHARE}",
            met=share >= FRAME_RATE_SHARE,
        )  # fmt: skip
        settled = [one.heap_mib for one in minutes[WARM_UP_MINUTES:]]
        if len(settled) >= WARM_UP_MINUTES:
            third = len(settled) // 3
            early, late = statistics.median(settled[:third]), statistics.median(settled[-third:])
            report.line(
                "heap, first and last third once full", f"{early:.1f} → {late:.1f} MiB", f"≤ {HEAP_GROWTH} ×",
                met=late <= HEAP_GROWTH * early,
            )  # fmt: skip
        report.line("sockets to the gateway", str(traffic.sockets), "1", met=traffic.sockets == 1)
        reruns = traffic.reruns - before
        report.line("messages of script runs", str(reruns), "0", met=reruns == 0)
        seconds = 60 * options.minutes
        report.line("readings painted a second", f"{(figure(page, 'painted-points') - painted) / seconds:.0f}")
        p50, p95 = figure(page, "latency-p50-ms"), figure(page, "latency-p95-ms")
        report.line("measured to painted, last 600 readings", f"p50 {p50:.0f}   p95 {p95:.0f} ms")
    report.summary()
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--series", type=int, default=12)
    parser.add_argument("--rate", type=float, default=20.0, help="readings a second and series")
    return 1 if measure(parser.parse_args()).missed else 0


if __name__ == "__main__":
    sys.exit(main())
