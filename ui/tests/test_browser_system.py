"""The System page as an administrator uses it: the ledger drilled into, dead letters replayed."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PICTURES = Path(__file__).parents[2] / ".run" / "pictures"


def click_row(table: Locator, row: int) -> None:
    """Choose a row of a table, which is drawn on a canvas: by the box at its left."""
    table.scroll_into_view_if_needed()
    table.click(position={"x": 18, "y": 35 + 35 * row + 17})


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
