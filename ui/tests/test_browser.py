"""The journeys of a person in a real browser."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from telltale_ui.api_client import ApiClient

from .conftest import sign_in


def figure(page: Page, name: str) -> str:
    return page.get_by_test_id("live-chart").get_attribute(f"data-{name}") or ""


def expect_figure(page: Page, name: str, value: Any) -> None:
    expect(page.get_by_test_id("live-chart")).to_have_attribute(f"data-{name}", value, timeout=15_000)


def test_the_login_survives_a_reload_and_opens_the_page_asked_for(open_as: Callable[..., Page], ui: str) -> None:
    page = open_as("Viewer", "/analytics?span=6+h")
    expect(page.get_by_role("heading", name="Analytics")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Analytics")).to_be_visible()
    assert page.url == f"{ui}/analytics?span=6+h"
    cookie = next(one for one in page.context.cookies() if one["name"] == "telltale_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_signing_out_ends_the_session(open_as: Callable[..., Page], ui: str) -> None:
    page = open_as("Viewer", "/account")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Telltale")).to_be_visible(timeout=15_000)
    page.goto(f"{ui}/records")
    expect(page.get_by_role("heading", name="Sign in to Telltale")).to_be_visible(timeout=15_000)


def test_a_viewer_does_not_get_the_administrators_pages(open_as: Callable[..., Page], ui: str) -> None:
    page = open_as("Viewer", "/users")
    expect(page.get_by_text("This page is for administrators.")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("Administration")).to_have_count(0)


def test_history_comes_first_then_live_points_are_painted_in_time(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    expect(page.get_by_test_id("live-panel")).to_have_count(8)
    assert int(figure(page, "points")) > 2_000
    expect_figure(page, "painted-points", re.compile(r"^\d{2,}$"))
    under_300_ms = re.compile(r"^[12]?\d?\d$")
    expect(page.get_by_test_id("live-chart")).to_have_attribute("data-latency-p95-ms", under_300_ms, timeout=60_000)
    assert figure(page, "sockets") == "1"


def test_the_expected_range_is_on_the_chart(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    told = page.get_by_test_id("live-panel").first.get_by_role("img")
    expect(told).to_have_attribute("aria-label", re.compile(r"expected [\d.]+\s*bar to [\d.]+\s*bar"), timeout=15_000)


def test_what_fires_in_the_choice_is_above_the_charts(open_as: Callable[..., Page], ui: str) -> None:
    page = open_as("Viewer")
    expect(page.get_by_test_id("live-alerts")).to_contain_text("Press too hot", timeout=15_000)
    expect(page.get_by_test_id("live-alerts")).not_to_contain_text("Pump silent")
    expect(page.get_by_test_id("live-notice")).to_be_hidden()
    page.get_by_label("Source").click()
    page.get_by_role("option", name="press-3").click()
    expect(page.get_by_test_id("live-alerts")).to_be_hidden(timeout=15_000)
    page.reload()
    expect_figure(page, "series", "2")
    expect(page.get_by_test_id("live-alerts")).to_be_hidden()
    page.goto(ui)
    page.get_by_test_id("live-alerts").get_by_role("link", name="Alerts").click()
    expect(page).to_have_url(re.compile("/alerts"))


def test_hovering_holds_the_charts_still_and_counts_what_is_new(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    page.get_by_test_id("live-panel").first.locator(".u-over").hover()
    expect_figure(page, "state", "paused")
    expect(page.get_by_test_id("live-new")).to_contain_text("new")
    page.get_by_test_id("live-badge").hover()
    expect_figure(page, "state", "live")


def test_a_click_locks_the_charts_until_a_double_click(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    plot = page.get_by_test_id("live-panel").first.locator(".u-over")
    plot.click(position={"x": 30, "y": 50})
    page.get_by_test_id("live-badge").hover()
    expect(page.get_by_test_id("live-new")).to_contain_text(re.compile(r"[1-9]\d* new"), timeout=15_000)
    expect_figure(page, "state", "paused")
    plot.dblclick(position={"x": 30, "y": 50})
    page.get_by_test_id("live-badge").hover()
    expect_figure(page, "state", "live")
    expect(page.get_by_test_id("live-new")).to_be_hidden()


def test_one_crosshair_goes_through_all_charts(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    page.get_by_test_id("live-panel").first.locator(".u-over").hover(position={"x": 60, "y": 50})
    times = page.get_by_test_id("live-panel").locator(".when")
    expect(times.first).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    expect(times.nth(1)).to_have_text(times.first.inner_text())


def test_an_injected_anomaly_is_marked_and_can_be_judged(open_as: Callable[..., Page]) -> None:
    page = open_as("User")
    expect_figure(page, "state", "live")
    expect(page.get_by_test_id("anomaly-item").first).to_be_visible(timeout=15_000)  # those of before
    before = int(figure(page, "anomalies"))
    page.get_by_role("button", name="Inject an anomaly").click()
    page.get_by_role("dialog").get_by_role("button", name="Inject").click()
    expect_figure(page, "anomalies", str(before + 1))
    expect(page.get_by_text("Spike on its way: watch boiler-1 · pressure.")).to_be_visible()
    expect(page.get_by_test_id("anomaly-item").first).to_contain_text("lies far above the expected range")
    page.get_by_test_id("anomaly-item").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The anomaly is confirmed.")).to_be_visible()
    expect(page.get_by_test_id("anomaly-confirmed").first).to_have_attribute("aria-pressed", "true")
    assert figure(page, "sockets") == "1", "script reruns must not open sockets"


def test_a_verdict_in_the_feed_is_stored_shown_and_taken_back(open_as: Callable[..., Page]) -> None:
    page = open_as("User")
    expect_figure(page, "state", "live")
    expect(page.get_by_test_id("anomaly-item").first).to_be_visible(timeout=15_000)  # those of before
    before = int(figure(page, "anomalies"))
    page.get_by_role("button", name="Inject an anomaly").click()
    page.get_by_role("dialog").get_by_role("button", name="Inject").click()
    expect_figure(page, "anomalies", str(before + 1))
    dismiss = page.get_by_test_id("anomaly-dismissed").first
    dismiss.click()
    expect(page.get_by_text("The anomaly is dismissed.")).to_be_visible()
    expect(dismiss).to_have_text("Dismissed")
    page.reload()
    expect(page.get_by_test_id("anomaly-dismissed").first).to_have_text("Dismissed", timeout=15_000)
    page.get_by_test_id("anomaly-dismissed").first.click()
    expect(page.get_by_text("The verdict is taken back.")).to_be_visible()
    expect(page.get_by_test_id("anomaly-dismissed").first).to_have_text("Dismiss")


def test_a_viewer_reads_verdicts_but_gives_none(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect(page.get_by_test_id("anomaly-item").first).to_be_visible(timeout=15_000)
    expect(page.get_by_test_id("anomaly-confirmed")).to_have_count(0)
    expect(page.get_by_role("button", name="Inject an anomaly")).to_have_count(0)


def test_a_long_range_is_filled_from_the_store_and_zoom_lives_in_the_address(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    with page.expect_response(re.compile("/live/timeseries")) as asked:
        page.get_by_text("1 h", exact=True).click()
    assert asked.value.ok
    expect_figure(page, "state", "live")
    plot = page.get_by_test_id("live-panel").first.locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    end = time.monotonic() + 30
    # A chart that is made anew takes no drag until it is drawn.
    while "span=Custom" not in page.url:
        assert time.monotonic() < end, "dragging zooms nothing"
        page.mouse.move(box["x"] + 60, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 40, steps=4)
        page.mouse.up()
        with suppress(AssertionError):
            expect(page).to_have_url(re.compile("span=Custom"), timeout=5_000)
    expect(page).to_have_url(re.compile("from=2"))
    expect_figure(page, "state", "paused")
    page.reload()
    expect_figure(page, "state", "paused")
    page.keyboard.press("Escape")
    expect_figure(page, "state", "live")
    expect(page).not_to_have_url(re.compile("from=2"), timeout=15_000)
    assert figure(page, "sockets") == "1"


def test_series_of_a_category_share_a_chart_when_asked_and_after_a_reload(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    page.keyboard.press("o")
    expect(page.get_by_test_id("live-panel")).to_have_count(6)
    together = page.locator('[data-testid="live-panel"]', has_text="boiler-1").filter(has_text="hall-2").first
    expect(together.get_by_role("img")).to_have_attribute("aria-label", re.compile("press-3 · temperature: "))
    expect(page).to_have_url(re.compile("view=overlay"), timeout=15_000)
    page.reload()
    expect(page.get_by_test_id("live-panel")).to_have_count(6, timeout=15_000)
    page.get_by_test_id("live-arrange").click()
    expect(page.get_by_test_id("live-panel")).to_have_count(8)


def test_the_keyboard_does_what_its_list_says(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    page.keyboard.press("?")
    expect(page.get_by_test_id("live-shortcuts")).to_be_visible()
    page.keyboard.press("p")
    expect_figure(page, "state", "paused")
    page.keyboard.press("p")
    expect_figure(page, "state", "live")
    page.keyboard.press("-")
    expect(page).to_have_url(re.compile("span=Custom"), timeout=15_000)
    page.keyboard.press("Escape")
    expect_figure(page, "state", "live")
    expect(page.get_by_test_id("live-shortcuts")).to_be_hidden()
    with page.expect_download() as saved:
        page.keyboard.press("s")
    lines = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "source,category,observed_at,value,unit"
    assert len(lines) > 2_000


def test_the_charts_go_on_through_reruns_and_a_change_of_the_theme(open_as: Callable[..., Page]) -> None:
    page = open_as("User")
    expect_figure(page, "state", "live")

    def rerun() -> None:
        page.get_by_role("button", name="Sensitivity").click()
        expect(page.get_by_role("dialog").get_by_text("Try it on the last")).to_be_visible(timeout=15_000)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)

    rerun()  # While a page is loaded, Streamlit may draw it twice.
    page.get_by_test_id("live-chart").evaluate("(element) => { element.dataset.mark = 'kept'; }")
    for _ in range(3):
        rerun()
    page.emulate_media(color_scheme="dark")
    before = int(figure(page, "painted-points"))
    expect_figure(page, "painted-points", re.compile(rf"^(?!{before}$)\d+$"))
    assert figure(page, "mark") == "kept", "the chart must not be built anew"
    assert figure(page, "sockets") == "1"


def test_a_sensitivity_is_tried_before_it_is_saved(open_as: Callable[..., Page]) -> None:
    page = open_as("User")
    expect_figure(page, "state", "live")
    page.get_by_role("button", name="Sensitivity").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("2 more dismissed than confirmed")).to_be_visible()
    dialog.get_by_role("button", name="Try").click()
    expect(dialog.get_by_text("3 of 7,200 readings would have been marked.")).to_be_visible()
    expect(dialog.locator(".main-svg").first).to_be_visible(timeout=30_000)  # Plotly is loaded then
    dialog.get_by_text("Low", exact=True).click()
    dialog.get_by_role("button", name="Try").click()
    expect(dialog.get_by_text("1 of 7,200 readings would have been marked.")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is watched with the new sensitivity.")).to_be_visible()


def test_choosing_a_source_keeps_the_socket_and_lives_in_the_address(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "series", "8")
    page.get_by_label("Source").click()
    page.get_by_role("option", name="press-3").click()
    expect_figure(page, "series", "2")
    assert figure(page, "sockets") == "1"
    expect(page).to_have_url(re.compile("source=press-3"))
    page.reload()
    expect_figure(page, "series", "2")


def test_a_lost_connection_comes_back_without_losing_the_screen(open_as: Callable[..., Page], services: Any) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    services.kill()
    expect_figure(page, "state", "reconnecting")
    expect(page.get_by_test_id("live-panel")).to_have_count(8)
    services.start()
    expect_figure(page, "state", "live")
    assert int(figure(page, "sockets")) >= 2


def test_a_page_whose_service_was_away_comes_back_by_itself(
    open_as: Callable[..., Page], services: Any, ui: str
) -> None:
    page = open_as("Viewer", "/records?source=press-3")
    expect(page.get_by_text("records · page 1")).to_be_visible(timeout=15_000)
    services.kill()
    page.reload()
    expect(page.get_by_text("A service does not answer")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("heading", name="Records")).to_be_visible()
    services.start()
    expect(page.get_by_text("records · page 1")).to_be_visible(timeout=20_000)
    assert page.url == f"{ui}/records?source=press-3"


def test_a_changed_role_reaches_the_screens_of_the_person_by_itself(
    page: Page, ui: str, client: ApiClient, services: Any
) -> None:
    client.register("promoted@example.com", "Promoted", "Password123!")
    page.goto(ui)
    sign_in(page, "promoted@example.com", "Password123!")
    expect_figure(page, "state", "live")
    expect(page.get_by_role("button", name="Inject an anomaly")).to_have_count(0)
    admin = client.access_token(client.start_session("admin@example.com", "Password123!")["session_id"])
    api = client.signed_in(lambda renew: admin.value)
    promoted = next(one for one in api.users({}).items if one["email"] == "promoted@example.com")
    api.change_user(promoted["id"], {"role": "USER"})
    # The stand-in's gateway is another process than its auth: this has it end the sockets, as revocations do.
    # The gateway closes the socket of the old role, and one takes its place.
    with page.expect_websocket(lambda socket: "/api/v1/stream" in socket.url):
        httpx.patch(f"{services.url}/api/v1/users/3", json={}).raise_for_status()
    expect(page.get_by_role("button", name="Inject an anomaly")).to_be_visible(timeout=15_000)
    expect_figure(page, "state", "live")
