"""Data as a person handles it, in a real browser on the real services: imported, looked at, exported, undone."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from tests.conftest import PICTURES, ROOT, Stack

SAMPLE = ROOT / "sample_data" / "records_sample.csv"
ROWS = len(SAMPLE.read_text(encoding="utf-8").splitlines()) - 1
SOON = 20_000
"""Milliseconds within which the services have done what was asked."""


def choose_file(page: Page, file: Path) -> None:
    page.get_by_test_id("import-file").set_input_files(file)
    expect(page.get_by_text(re.compile(r"The first \d+ rows of the file"))).to_be_visible(timeout=SOON)


def metric(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label)


def test_a_person_imports_the_sample_looks_at_it_exports_it_and_undoes_it(
    sign_in: Callable[[str], Page], stack: Stack
) -> None:
    page = sign_in("User")
    page.get_by_role("link", name="Records").click()
    page.get_by_role("button", name="Import").click()
    choose_file(page, SAMPLE)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(f"{ROWS:,} new records are stored")).to_be_visible(timeout=SOON)
    page.screenshot(path=PICTURES / "imported.png", full_page=True)
    imported = page.url

    page.get_by_role("button", name="Show on Analytics").click()
    expect(metric(page, "Readings")).to_contain_text(f"{ROWS:,}", timeout=SOON)
    expect(page.get_by_test_id("stPlotlyChart").first.locator(".nsewdrag").first).to_be_visible(timeout=SOON)
    page.screenshot(path=PICTURES / "imported-analytics.png", full_page=True)

    page.get_by_role("link", name="Records").click()
    expect(page.get_by_text("records · page 1")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="More filters (1)")).to_be_visible()
    page.get_by_role("button", name="Export").click()
    page.get_by_role("radio", name="CSV").click()
    download, prepare = page.get_by_role("link", name="Download"), page.get_by_role("button", name="Prepare the file")
    expect(download.or_(prepare)).to_be_visible(timeout=SOON)
    if prepare.is_visible():  # the list says "at least": counting the records of an import takes longer than that
        prepare.click()
    expect(download).to_be_visible(timeout=SOON)
    with page.context.expect_event("download") as started:
        download.click()
    lines = Path(started.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == ROWS + 1
    assert sum(line.startswith("cold-store,") for line in lines) == sum(
        line.startswith("cold-store,") for line in SAMPLE.read_text(encoding="utf-8").splitlines()
    )

    page.goto(imported)
    page.get_by_role("button", name="Undo import").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo import").click()
    expect(page.get_by_text(f"{ROWS:,} records are removed again")).to_be_visible(timeout=SOON)
    with stack.client("query") as query:
        left = query.get("/records", params={"source": "cold-store", "limit": 1}).raise_for_status().json()
    assert left["items"] == []


def test_mistakes_are_listed_with_their_lines_and_nothing_is_imported(
    sign_in: Callable[[str], Page], stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "mistakes.csv"
    file.write_text(
        "source,category,observed_at,value\n"
        "mistaken,level,2026-11-20T00:00:00Z,1.5\n"
        "mistaken,level,2026-11-20T00:00:01Z,one and a half\n"
        "mistaken,level,2026-11-20 00:00:02,1.5\n"
    )
    page = sign_in("User")
    page.goto(f"{stack.url('ui')}/imports")
    choose_file(page, file)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("2 rows of 3 cannot be stored, so nothing was imported.")).to_be_visible(timeout=SOON)
    page.screenshot(path=PICTURES / "mistakes.png", full_page=True)
    link = page.get_by_role("link", name="Download as CSV")
    expect(link).to_have_count(1)  # while Streamlit reruns, the element of the run before is still there
    with page.context.expect_event("download") as started:
        link.click()
    errors = Path(started.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in errors[1:]] == ["3", "4"]
    with stack.client("query") as query:
        stored = query.get("/records", params={"source": "mistaken"}).raise_for_status().json()
    assert stored["items"] == []


def test_an_administrator_deletes_in_bulk_what_the_filters_show(sign_in: Callable[[str], Page], stack: Stack) -> None:
    at = datetime.now(UTC) - timedelta(minutes=30)
    with stack.client("query") as query:
        for n in range(3):
            body = {
                "source": "to-be-deleted",
                "category": "level",
                "observed_at": (at + timedelta(seconds=n)).isoformat(),
                "value": float(n),
            }
            query.post("/records", json=body).raise_for_status()
    page = sign_in("Admin")
    page.goto(f"{stack.url('ui')}/records?source=to-be-deleted")
    expect(page.get_by_text("3 records ·")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Delete all that match").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type 3 to confirm").fill("3")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("3 records are deleted.")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("No records match")).to_be_visible(timeout=SOON)


def wait_for_history(stack: Stack, length: timedelta) -> None:
    """Until the last minutes hold readings that are older than ``length``: a range that is dragged holds some then."""
    recent = {"category": "temperature", "sort": "observed_at", "limit": "1"}
    end = time.monotonic() + 2 * length.total_seconds() + 60
    with stack.client("query") as query:
        while True:
            since = {"from": (datetime.now(UTC) - timedelta(minutes=15)).isoformat()}
            first = query.get("/records", params=recent | since).raise_for_status().json()["items"]
            if first and datetime.now(UTC) - datetime.fromisoformat(first[0]["observed_at"]) > length:
                return
            assert time.monotonic() < end, "no readings of the last minutes"
            time.sleep(0.5)


def test_dragging_over_the_chart_sets_the_range_for_every_page(sign_in: Callable[[str], Page], stack: Stack) -> None:
    wait_for_history(stack, timedelta(minutes=2))
    page = sign_in("Viewer")
    page.goto(f"{stack.url('ui')}/analytics?span=15+min&category=temperature")
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".nsewdrag").first).to_be_visible(timeout=SOON)
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 90, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"span=Custom.*from=.*to="), timeout=SOON)
    page.screenshot(path=PICTURES / "zoomed.png", full_page=True)
    page.reload()
    expect(page.get_by_role("link", name="Readings as CSV")).to_be_visible(timeout=SOON)
    shown = page.get_by_text(re.compile(r"\d\d:\d\d:\d\d – \d\d:\d\d:\d\d · UTC")).inner_text()
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_text(re.compile(r"\d records? · "))).to_be_visible(timeout=SOON)
    expect(page.get_by_text(shown)).to_be_visible()
