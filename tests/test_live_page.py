"""What the live page tells when something goes wrong, and that it is the truth: real services, a real browser."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.conftest import PICTURES, Stack
from tests.live_browser import BROWSER_ARGUMENTS, Cable, Traffic, chart, figure, on_screen

pytestmark = pytest.mark.timeout(900)
CUT_SECONDS = 60
BROKER_AWAY_SECONDS = 25
STEADY_SECONDS = 20
STORED_WITHIN = timedelta(seconds=15)
"""How old a reading must be for the comparison with the store, on a machine that does much else."""
DEADLINE_MS = 90_000


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """The machine may do much else."""
    expect.set_options(timeout=DEADLINE_MS)
    yield
    expect.set_options(timeout=None)


@pytest.fixture(scope="module")
def cable(stack: Stack) -> Iterator[Cable]:
    cable = Cable(stack.port("gateway"))
    yield cable
    cable.close()


@pytest.fixture(scope="module")
def browser(cable: Cable) -> Iterator[Browser]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        arguments = [*BROWSER_ARGUMENTS, *cable.browser_arguments]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield browser
        browser.close()


def expect_state(page: Page, *states: str) -> None:
    expect(chart(page)).to_have_attribute("data-state", re.compile("|".join(states)))


def microseconds(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def stored(stack: Stack, since: datetime, until: datetime) -> set[tuple[str, str, datetime]]:
    """Every record of a range, as query tells them."""
    found: set[tuple[str, str, datetime]] = set()
    cursor: str | None = None
    with stack.client("query") as query:
        while True:
            params = {"from": since.isoformat(), "to": until.isoformat(), "limit": "1000", "sort": "observed_at"}
            page = query.get("/records", params=params | ({"cursor": cursor} if cursor else {}))
            body = page.raise_for_status().json()
            found |= {(one["source"], one["category"], microseconds(one["observed_at"])) for one in body["items"]}
            cursor = body["next_cursor"]
            if cursor is None:
                return found


def assert_all_on_screen_once(page: Page, stack: Stack, since: datetime) -> None:
    """The charts show each stored reading since ``since`` once."""
    until = datetime.now(UTC) - STORED_WITHIN
    shown = Counter((source, category, microseconds(at)) for source, category, at in on_screen(page))
    assert max(shown.values()) == 1, "a reading is on the chart twice"
    recent = {one for one in shown if since <= one[2] < until}
    known = stored(stack, since, until)
    assert len(known) > 100
    assert known - recent == set(), "readings are missing on the chart"
    assert recent - known == set(), "the chart shows what is not stored"


def test_a_cut_cable_is_told_and_after_a_minute_nothing_is_missing_or_twice(
    sign_in: Callable[[str], Page], stack: Stack, cable: Cable
) -> None:
    page = sign_in("Viewer")
    expect_state(page, "live")
    since = datetime.now(UTC) - timedelta(seconds=10)
    cable.cut()
    began = time.monotonic()
    expect_state(page, "stale")
    expect_state(page, "reconnecting")
    noticed = time.monotonic() - began
    print(f"\na cut cable is noticed after {noticed:.1f} s")
    assert noticed < 45
    page.wait_for_timeout(max(0.0, CUT_SECONDS - (time.monotonic() - began)) * 1000)
    expect(page.get_by_test_id("live-badge")).to_contain_text("Reconnecting")
    expect(page.get_by_test_id("live-badge")).to_contain_text(re.compile(r"newest \d+ s ago"))
    page.screenshot(path=PICTURES / "live-cut.png")
    cable.mend()
    mended = time.monotonic()
    expect_state(page, "live")
    print(f"back {time.monotonic() - mended:.1f} s after it was mended")
    page.wait_for_timeout(STORED_WITHIN.total_seconds() * 1000)
    assert_all_on_screen_once(page, stack, since)
    page.screenshot(path=PICTURES / "live-mended.png")


def test_a_restarted_gateway_is_told_and_leaves_no_gap(sign_in: Callable[[str], Page], stack: Stack) -> None:
    page = sign_in("Viewer")
    expect_state(page, "live")
    since = datetime.now(UTC) - timedelta(seconds=10)
    stack.stop("gateway")
    expect_state(page, "reconnecting")
    page.wait_for_timeout(8_000)
    expect(page.get_by_test_id("live-panel").first).to_be_visible()
    page.screenshot(path=PICTURES / "live-gateway-away.png")
    stack.start("gateway")
    expect_state(page, "live")
    page.wait_for_timeout(STORED_WITHIN.total_seconds() * 1000)
    assert_all_on_screen_once(page, stack, since)
    page.screenshot(path=PICTURES / "live-gateway-back.png")


def test_what_was_measured_while_the_broker_was_away_is_filled_in(sign_in: Callable[[str], Page], stack: Stack) -> None:
    page = sign_in("Viewer")
    page.goto(f"{stack.url('ui')}/?source=press-1")
    expect_state(page, "live")
    line = page.get_by_test_id("live-panel").first.get_by_role("img")
    since = datetime.now(UTC)
    stack.stop("rabbitmq")
    try:
        expect_state(page, "stale")
        page.wait_for_timeout(BROKER_AWAY_SECONDS * 1000)
        tile = page.locator('[data-testid="live-tile"][data-series="press-1/temperature"]')
        expect(tile).not_to_contain_text("silent")
        expect(line).to_have_attribute("aria-label", re.compile("not received for"))
        page.screenshot(path=PICTURES / "live-broker-away.png")
        until = datetime.now(UTC)
    finally:
        stack.start("rabbitmq")
    expect_state(page, "live")
    expect(line).not_to_have_attribute("aria-label", re.compile("not received|no readings"))
    # That is no empty promise: they were measured, and are stored.
    assert len(stored(stack, since, until)) > 100
    page.screenshot(path=PICTURES / "live-broker-back.png")


def test_a_stalled_sensor_is_told_apart_from_a_lost_connection(sign_in: Callable[[str], Page], stack: Stack) -> None:
    page = sign_in("Viewer")
    expect_state(page, "live")
    # Long enough for a usual pause between readings to be known.
    page.wait_for_timeout(8_000)
    with stack.client("generator", "user") as generator:
        generator.patch("/generator", json={"paused": True}).raise_for_status()
        try:
            tile = page.locator('[data-testid="live-tile"][data-series="press-1/temperature"]')
            expect(tile).to_contain_text(re.compile(r"\d+ s silent"))
            # This machine's own readings go on: the connection is fine, and the page says so.
            expect_state(page, "live")
            page.wait_for_timeout(10_000)
            page.screenshot(path=PICTURES / "live-stalled.png")
            page.goto(f"{stack.url('ui')}/?source=press-1")
            expect_state(page, "stale")
            expect(page.get_by_test_id("live-badge")).to_contain_text(re.compile(r"Stale\s*newest \d+ s ago"))
            page.screenshot(path=PICTURES / "live-stale.png")
        finally:
            generator.patch("/generator", json={"paused": False}).raise_for_status()
    expect_state(page, "live")
    page.wait_for_timeout(5_000)
    page.screenshot(path=PICTURES / "live-stall-over.png")


def wait_until(page: Page, true: Callable[[], bool], *, seconds: float) -> None:
    """Lets the page go on until ``true``, for so many seconds at most."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        page.wait_for_timeout(500)


def test_a_newcomer_who_injects_an_anomaly_reads_why_it_was_marked(
    sign_in: Callable[[str], Page], stack: Stack
) -> None:
    page = sign_in("User")
    expect_state(page, "live")
    # A spike beyond everything seen so far is told as out of range.
    marked = page.get_by_test_id("anomaly-item").filter(has_text="line-1 · power")
    before = marked.count()
    end = time.monotonic() + 300
    # The detector keeps silent until it has seen enough of a series, and for a minute after what it told last.
    while marked.count() <= before:
        assert time.monotonic() < end, "no injected anomaly was marked"
        page.get_by_role("button", name="Inject an anomaly").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Series").click()
        page.get_by_role("option", name="line-1 · power").click()
        dialog.get_by_role("button", name="Inject").click()
        expect(page.get_by_text(re.compile("on its way: watch line-1 · power"))).to_be_visible(timeout=DEADLINE_MS)
        wait_until(page, lambda: marked.count() > before, seconds=70)
    why = marked.first.inner_text()
    reason = (
        r"[\d.,]+ kW lies (far )?(above|below) (what was expected|everything seen so far) \([\d.,]+ to [\d.,]+ kW\)"
    )
    assert re.search(reason, why), why
    assert re.search(r"once in about [\d,]+ readings|unlike anything so far", why), why
    panel = page.locator('[data-testid="live-panel"][data-series="line-1/power"]')
    told = re.compile(r"expected [\d.]+\s*kW to [\d.]+\s*kW, [1-9]\d* anomal")
    expect(panel.get_by_role("img")).to_have_attribute("aria-label", told)
    page.screenshot(path=PICTURES / "live-injected.png")
    marked.first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Score")
    page.screenshot(path=PICTURES / "live-why.png")
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    item = page.get_by_role("listitem").filter(has_text="line-1 · power").first
    expect(item.get_by_test_id("anomaly-confirmed")).to_have_attribute("aria-pressed", "true")
    with stack.client("query") as query:
        judged = query.get("/anomalies", params={"source": "line-1", "verdict": "confirmed"}).json()["items"]
    assert judged[0]["verdict_by"]


def test_in_steady_state_there_is_one_socket_and_no_script_runs(sign_in: Callable[[str], Page], stack: Stack) -> None:
    page = sign_in("Viewer")
    # So that the socket of this first visit is not counted with those of the next.
    expect_state(page, "live")
    traffic = Traffic(page)
    page.goto(stack.url("ui"))
    expect_state(page, "live")
    page.wait_for_timeout(4_000)
    before, painted = traffic.reruns, figure(page, "painted-points")
    assert before > 0
    page.wait_for_timeout(STEADY_SECONDS * 1000)
    assert figure(page, "painted-points") > painted
    assert traffic.reruns == before, "a script ran although nobody did anything"
    assert (traffic.sockets, figure(page, "sockets")) == (1, 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dark", {"viewport": {"width": 1400, "height": 1000}, "color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 844}}),
        ("zoom", {"viewport": {"width": 700, "height": 500}, "device_scale_factor": 2}),
    ],
)
def test_nothing_sticks_out(browser: Browser, stack: Stack, name: str, options: dict[str, object]) -> None:
    context = browser.new_context(**options)  # type: ignore[arg-type]  # playwright types each option by itself
    page = context.new_page()
    page.goto(stack.url("ui"))
    page.get_by_role("button", name="User", exact=True).click()
    expect_state(page, "live")
    page.wait_for_timeout(3_000)
    sticking_out = chart(page).evaluate(
        "(root) => [...root.querySelectorAll('*')]"
        ".filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.plot'))"
        ".map((one) => one.className)"
    )
    assert page.get_by_test_id("live-tile").count() > 8
    assert sticking_out == []
    page.screenshot(path=PICTURES / f"live-{name}.png", full_page=True)
    context.close()
