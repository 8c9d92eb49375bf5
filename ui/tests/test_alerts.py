"""Alerts as a person meets them, in a real browser; and how they are put into words."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from telltale_ui.alerts import words

from .conftest import Server, click_row

SOON = 15_000


def rule(**changed: Any) -> dict[str, Any]:
    condition = {"kind": "threshold", "direction": "above", "value": 90.0, "clear": None}
    return {"condition": condition, "for_seconds": 0, "clear_after_seconds": 0, **changed}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (rule(), "above 90"),
        (rule(for_seconds=90), "above 90 for 1 min 30 s"),
        (rule(condition={"kind": "threshold", "direction": "below", "value": 1.5, "clear": 2.0}), "below 1.5, until 2"),
        (
            rule(condition={"kind": "anomaly", "kinds": ["spike"], "min_score": 8.0}, clear_after_seconds=300),
            "an anomaly (spike) with a score of at least 8, until none for 5 min",
        ),
        (rule(condition={"kind": "no_data"}, for_seconds=60), "no reading for 1 min"),
    ],
)
def test_a_rule_is_told_in_one_phrase(asked: dict[str, Any], told: str) -> None:
    assert words.condition(asked) == told


def test_a_click_counts_although_somebody_else_acknowledged_meanwhile(
    open_as: Callable[..., Page], services: Server
) -> None:
    page = open_as("User", "/alerts")
    silence = page.get_by_role("button", name="Silence", exact=True)
    expect(silence).to_be_visible()
    acknowledgement = f"{services.url}/api/v1/alerts/12/acknowledgement"
    httpx.post(acknowledgement).raise_for_status()
    silence.click()  # before the page looks again
    dialog = page.get_by_role("dialog")
    try:
        expect(dialog.get_by_label("Why")).to_be_visible(timeout=SOON)
    finally:
        httpx.delete(acknowledgement).raise_for_status()


def test_what_fires_is_acknowledged_and_silenced(open_as: Callable[..., Page]) -> None:
    page = open_as("User", "/alerts")
    expect(page.get_by_text("97.2 °C, above 90 °C for 2 min · since").first).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog")
    page.wait_for_timeout(7_000)  # what fires is looked at again meanwhile
    dialog.get_by_label("Note").fill("on my way")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Demo user looks after it")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Silence", exact=True).click()
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(dialog.get_by_text("Say why: others will wonder.")).to_be_visible(timeout=SOON)
    dialog.get_by_label("Why").fill("cleaning")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_text(re.compile("silent until"))).to_be_visible(timeout=SOON)
    page.get_by_role("radio", name="Silences").click()
    expect(page).to_have_url(re.compile("alerts_part=Silences"))
    page.get_by_label("End one now").click()
    page.get_by_role("option", name=re.compile("cleaning")).click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("Nothing is silenced")).to_be_visible(timeout=SOON)


def test_a_rule_is_tried_on_the_past_and_saved(open_as: Callable[..., Page]) -> None:
    page = open_as("User", "/alerts")
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Boiler too hot")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.get_by_text("Give the limit.")).to_be_visible(timeout=SOON)
    dialog.get_by_label("Limit").fill("90")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.get_by_text(re.compile("would have fired 1 time: 3,600 readings of 1 series"))).to_be_visible(
        timeout=SOON
    )
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The rule is saved and watched by.")).to_be_visible(timeout=SOON)


def test_a_viewer_looks_and_changes_nothing(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/alerts?alerts_part=History")
    expect(page.get_by_text(re.compile(r"\d alerts"))).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.get_by_role("radio", name="Webhooks")).to_have_count(0)
    page.get_by_role("radio", name="Rules").click()
    expect(page.get_by_text("Making and changing rules needs the role USER.")).to_be_visible(timeout=SOON)


def test_a_filter_shortens_the_history_below_the_chosen_row(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/alerts?alerts_part=History")
    expect(page.get_by_text("2 alerts")).to_be_visible(timeout=SOON)
    click_row(page.get_by_test_id("stDataFrame").first, 1)
    hint = page.get_by_text("Select an alert to see what became of it.")
    expect(hint).to_have_count(0, timeout=SOON)
    page.get_by_label("State").click()
    page.get_by_role("option", name="resolved").click()
    expect(page.get_by_text("1 alert · ")).to_be_visible(timeout=SOON)
    expect(hint).to_be_visible(timeout=SOON)


def test_a_webhook_shows_its_secret_once_and_is_switched_off_and_deleted(
    open_as: Callable[..., Page],
) -> None:
    page = open_as("Admin", "/alerts?alerts_part=Webhooks")
    page.get_by_role("button", name="New webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("pager")
    dialog.get_by_label("Address").fill("https://example.com/alerts")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("whsec_stand-in")).to_be_visible(timeout=SOON)
    page.reload()
    expect(page.get_by_text("Nothing was sent to it yet.")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("whsec_stand-in")).to_have_count(0)
    page.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Name").fill("pager of the night")
    dialog.get_by_text("Switched on").click()
    expect(dialog.get_by_text("what waits for it is given up")).to_be_visible(timeout=SOON)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The webhook is saved.")).to_be_visible(timeout=SOON)
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text("pager of the night: https://example.com/alerts")).to_be_visible(timeout=SOON)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("Name")).to_have_value("pager of the night", timeout=SOON)
    expect(dialog.get_by_label("Switched on")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nobody else is told")).to_be_visible(timeout=SOON)
