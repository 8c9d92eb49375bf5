"""The System page as an administrator uses it: the ledger drilled into, dead letters replayed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from .conftest import click_row

PICTURES = Path(__file__).parents[2] / ".run" / "pictures"


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def test_the_ledger_is_drilled_into_by_producer_and_day(open_as: Callable[..., Page]) -> None:
    page = open_as("Admin", "/system")
    expect(page.get_by_text("691,356 published, 3 missing, 0 repeated")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("1 run of missing numbers")).to_be_visible()
    ledger = page.locator(".st-key-ledger").get_by_test_id("stDataFrame")
    click_row(ledger, 0)
    expect(page.get_by_text("By day: generator-7f3a")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("1 run of missing numbers")).to_have_count(0)
    picture(page, "system-ledger")
    page.get_by_role("radio", name="7 days").click()
    expect(page).to_have_url(re.compile(r"ledger_span=7\+days"))


def test_a_producer_stays_chosen_when_another_begins(open_as: Callable[..., Page], services: Any) -> None:
    page = open_as("Admin", "/system")
    ledger = page.locator(".st-key-ledger").get_by_test_id("stDataFrame")
    expect(ledger).to_be_visible(timeout=20_000)
    click_row(ledger, 0)
    expect(page.get_by_text("By day: generator-7f3a")).to_be_visible(timeout=15_000)
    httpx.post(f"{services.url}/api/v1/ledger", json={"producer": "generator-8a4b"}).raise_for_status()
    expect(ledger.get_by_text("generator-8a4b")).to_be_attached(timeout=15_000)
    expect(page.get_by_text("By day: generator-7f3a")).to_be_visible()
    click_row(ledger, 0)
    expect(page.get_by_text("By day: generator-8a4b")).to_be_visible(timeout=15_000)


def test_dead_letters_are_looked_at_replayed_and_discarded(open_as: Callable[..., Page]) -> None:
    page = open_as("Admin", "/system?dead_reason=conflict&dead_reason=in_the_future")
    expect(page.get_by_text("3 dead letters")).to_be_visible(timeout=20_000)
    table = page.get_by_test_id("stDataFrame").last
    click_row(table, 0)
    page.get_by_role("button", name="Look at it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("number 4,711 of generator-7f3a")).to_be_visible(timeout=15_000)
    picture(page, "dead-letter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Replay all that match").click()
    expect(dialog.get_by_text("Replay 3 dead letters")).to_be_visible(timeout=15_000)
    picture(page, "dead-letters-replay")
    dialog.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("2 dead letters replayed: 2 readings stored, 0 were there already")).to_be_visible(
        timeout=20_000
    )
    expect(page.get_by_text("1 dead letter", exact=False).first).to_be_visible(timeout=15_000)
    click_row(page.get_by_test_id("stDataFrame").last, 0)
    page.get_by_role("button", name="Discard 1 chosen").click()
    dialog.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 dead letter discarded.")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("No dead letters")).to_be_visible(timeout=15_000)
    picture(page, "dead-letters")


def test_what_is_discarded_is_the_letter_that_was_chosen(open_as: Callable[..., Page], services: Any) -> None:
    def arrives(number: int) -> None:
        body = {"reason": "overlap", "number": number}
        httpx.post(f"{services.url}/api/v1/dead-letters", json=body).raise_for_status()

    arrives(8_001)
    page = open_as("Admin", "/system?dead_reason=overlap")
    expect(page.get_by_text("1 dead letter · ")).to_be_visible(timeout=20_000)
    click_row(page.get_by_test_id("stDataFrame").last, 0)
    expect(page.get_by_role("button", name="Discard 1 chosen")).to_be_visible(timeout=15_000)
    arrives(8_002)
    page.get_by_role("button", name="Discard 1 chosen").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("overlap: number 8,001 of generator-7f3a")).to_be_visible(timeout=15_000)
    dialog.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 dead letter discarded.")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Discard chosen")).to_be_disabled(timeout=15_000)
    left = httpx.get(f"{services.url}/api/v1/dead-letters", params={"reason": "overlap", "resolution": "open"}).json()
    assert [one["number"] for one in left["items"]] == [8_002]
