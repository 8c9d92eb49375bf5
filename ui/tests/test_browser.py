"""The journeys of a person in a real browser."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from telltale_ui.api_client import ApiClient


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
    assert int(figure(page, "latency-p95-ms")) < 300
    assert figure(page, "sockets") == "1"


def test_hovering_holds_the_charts_still_and_counts_what_is_new(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer")
    expect_figure(page, "state", "live")
    page.get_by_test_id("live-panel").first.locator(".u-over").hover()
    expect_figure(page, "state", "paused")
    expect(page.get_by_test_id("live-new")).to_contain_text("new")
    page.get_by_test_id("live-badge").hover()
    expect_figure(page, "state", "live")


def test_an_injected_anomaly_is_marked_and_can_be_judged(open_as: Callable[..., Page]) -> None:
    page = open_as("User")
    expect_figure(page, "state", "live")
    before = int(figure(page, "anomalies"))
    page.get_by_role("button", name="Inject an anomaly").click()
    page.get_by_role("dialog").get_by_role("button", name="Inject").click()
    expect_figure(page, "anomalies", str(before + 1))
    page.get_by_test_id("anomaly-item").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The anomaly is confirmed.")).to_be_visible()
    expect(page.get_by_test_id("anomaly-item").first).to_contain_text("Confirmed")
    assert figure(page, "sockets") == "1", "script reruns must not open sockets"


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


def test_a_changed_role_reaches_the_screens_of_the_person_by_itself(page: Page, ui: str, client: ApiClient) -> None:
    client.register("promoted@example.com", "Promoted", "Password123!")
    page.goto(ui)
    page.get_by_label("E-mail").first.fill("promoted@example.com")
    page.get_by_role("textbox", name="Password").first.fill("Password123!")
    page.keyboard.press("Enter")
    expect_figure(page, "state", "live")
    expect(page.get_by_role("button", name="Inject an anomaly")).to_have_count(0)
    admin = client.access_token(client.start_session("admin@example.com", "Password123!")["session_id"])
    api = client.signed_in(lambda renew: admin.value)
    promoted = next(one for one in api.users({}).items if one["email"] == "promoted@example.com")
    api.change_user(promoted["id"], {"role": "USER"})
    expect(page.get_by_role("button", name="Inject an anomaly")).to_be_visible(timeout=15_000)
    assert figure(page, "sockets") == "1", "following the account must not open sockets"
