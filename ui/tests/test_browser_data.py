"""Records, imports and analytics as a person uses them, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

SAMPLE = Path(__file__).parents[2] / "sample_data" / "records_sample.csv"
ROWS = len(SAMPLE.read_text(encoding="utf-8").splitlines()) - 1
HEADER = "source,category,observed_at,value\n"


def test_a_record_made_by_hand_is_observed_now(open_as: Callable[..., Page]) -> None:
    page = open_as("User", "/records")
    page.get_by_role("button", name="New record").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value").fill("2.5")
    dialog.get_by_label("Note").fill("by hand")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The record is stored.")).to_be_visible(timeout=15_000)


def test_the_records_on_screen_are_downloaded_as_a_file(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/records?source=press-3&min_value=1234")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("match the filters on screen")).to_be_visible()
    page.get_by_role("radio", name="CSV").click()
    download = page.get_by_role("link", name="Download")
    expect(download).to_have_attribute("href", re.compile("format=csv"))
    with page.context.expect_event("download") as started:
        download.click()
    assert started.value.suggested_filename == "records.csv"
    assert "source=press-3" in Path(started.value.path()).read_text()


def test_a_long_file_is_made_with_progress_and_kept(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/records?source=press-3")
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Prepare the file").click()
    expect(page.get_by_text(re.compile("of 1,234,567 rows written · .* rows/s"))).to_be_visible(timeout=15_000)
    expect(page.get_by_text(re.compile("1,234,567 records · 12.3 MB · kept for"))).to_be_visible(timeout=15_000)
    with page.context.expect_event("download") as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename == "records-1.csv"
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_a_click_on_a_heading_sorts_on_the_server(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/records")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=15_000)
    table.click(position={"x": 640, "y": 15})  # it is drawn on a canvas: this is the heading "Value"
    expect(page).to_have_url(re.compile(r"sort=Highest\+value"))
    # While the page is drawn again, the table of before is there as well.
    expect(table.locator("th", has_text="Value ↓")).to_be_attached(timeout=15_000)
    expect(table).to_have_count(1, timeout=15_000)
    table.click(position={"x": 640, "y": 15})
    expect(page).to_have_url(re.compile(r"sort=Lowest\+value"))


def test_an_administrator_deletes_what_matches_after_typing_the_count(open_as: Callable[..., Page]) -> None:
    page = open_as("Admin", "/records?source=press-3")
    page.get_by_role("button", name="Delete all that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Sources: press-3")).to_be_visible(timeout=15_000)
    dialog.get_by_role("button", name="Delete them").click()
    expect(dialog.get_by_text("Type the number 1234 to confirm.")).to_be_visible()
    dialog.get_by_label("Type 1234 to confirm").fill("1234")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("1,234 records are deleted.")).to_be_visible(timeout=15_000)


def test_a_deletion_by_value_is_confirmed_with_at_least_the_count(open_as: Callable[..., Page]) -> None:
    page = open_as("Admin", "/records?source=press-3&min_value=7")
    page.get_by_role("button", name="Delete all that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("At least 1,234 records", exact=True)).to_be_visible(timeout=15_000)
    expect(dialog.get_by_text(re.compile("there are 1,234 or more"))).to_be_visible()
    dialog.get_by_label("Type 1234 to confirm at least 1,234 records").fill("1234")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("1,234 records are deleted.")).to_be_visible(timeout=15_000)


def test_a_sample_is_imported_looked_at_and_undone(open_as: Callable[..., Page]) -> None:
    page = open_as("User", "/records")
    page.get_by_role("button", name="Import").click()
    page.get_by_test_id("import-file").set_input_files(SAMPLE)
    expect(page.get_by_text(re.compile("The first 5 rows"))).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(f"{ROWS:,} new records are stored.")).to_be_visible(timeout=20_000)
    imported = page.url
    page.get_by_role("button", name="Show its records").click()
    expect(page).to_have_url(re.compile(r"/records\?.*import=\d+.*span=All"), timeout=15_000)
    page.goto(imported)
    page.get_by_role("button", name="Undo import").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo import").click()
    expect(page.get_by_text(f"{ROWS:,} records are removed again.")).to_be_visible(timeout=20_000)


def test_mistakes_are_listed_with_their_lines(open_as: Callable[..., Page], tmp_path: Path) -> None:
    file = tmp_path / "mistakes.csv"
    file.write_text(HEADER + "a,b,2026-11-20T00:00:00Z,1\na,b,2026-11-20T00:00:01Z,one\n")
    page = open_as("User", "/imports")
    page.get_by_test_id("import-file").set_input_files(file)
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("1 row of 2 cannot be stored, so nothing was imported.")).to_be_visible(timeout=20_000)
    link = page.get_by_role("link", name="Download as CSV")
    expect(link).to_have_count(1)  # while Streamlit reruns, the element of the run before is still there
    with page.context.expect_event("download") as started:
        link.click()
    assert "3,value,one,must be a number" in Path(started.value.path()).read_text()


def test_a_refused_file_can_be_chosen_again(open_as: Callable[..., Page], tmp_path: Path) -> None:
    file = tmp_path / "huge.csv"
    file.write_text(HEADER)
    page = open_as("User", "/imports")
    page.get_by_test_id("import-file").set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("A file may have at most 1 MB")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled()


def test_a_transfer_ends_with_its_page_and_is_not_sent_with_another_file(
    open_as: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_as("User", "/imports")
    sent: list[str] = []
    page.route("**/files/imports?*", lambda route: sent.append(route.request.url))  # and never answered
    page.get_by_test_id("import-file").set_input_files(SAMPLE)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_role("heading", name="Records")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Imports").click()
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "a,b,2026-11-20T00:00:00Z,1\n")
    page.get_by_test_id("import-file").set_input_files(other)
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled(timeout=15_000)
    assert len(sent) == 1


def test_dragging_over_the_chart_sets_the_range_and_it_survives_a_reload(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/analytics?category=temperature")
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".nsewdrag").first).to_be_visible(timeout=15_000)
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 700, box["y"] + 90, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"span=Custom.*from=\d{4}-\d\d-\d\d.*to="), timeout=15_000)
    zoomed = page.url
    page.reload()
    page.get_by_role("button", name="Zoom out").click()
    expect(page).not_to_have_url(zoomed, timeout=15_000)
    expect(page.get_by_role("link", name="Readings as CSV")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_text("records · page 1")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("radio", name="Custom")).to_be_checked()


def test_filters_go_along_from_a_page_that_was_just_opened(open_as: Callable[..., Page]) -> None:
    page = open_as("Viewer", "/analytics?category=temperature&span=7+d&anomalous=true")
    expect(page.get_by_role("button", name="Zoom out")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Records").click()
    expect(page).to_have_url(
        re.compile(r"/records\?(?=.*category=temperature)(?=.*span=7\+d)(?=.*anomalous=true)"), timeout=15_000
    )
    page.reload()
    expect(page.get_by_role("button", name="More filters (1)")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("radio", name="7 d")).to_be_checked()
