"""Text that others wrote is shown as it was written."""

import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from telltale_ui.alerts import words
from telltale_ui.markdown import literal

from .conftest import sign_in

JOINER = "\N{WORD JOINER}"
TRICKS = (
    "![.](https://evil.example/x.png) [a](b) <img src=x> <https://evil.example> &amp; $1$ `c` **d** __e__ ~~f~~ ~g~"
    " :red[h] :heart: :+1: :material/home: :streamlit: -> <- <-> -- >= <= ~= # | \\"
)


@given(st.text())
def test_all_punctuation_is_escaped_and_nothing_is_lost(text: str) -> None:
    told = literal(text)
    assert "\n" not in told
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", told))
    assert re.sub(r"\\(.)", r"\1", told).replace(JOINER, "") == re.sub(r"[\t\n\v\f\r ]+", " ", text).replace(JOINER, "")


@pytest.mark.parametrize("name", ["press-3 temperature", "12:30", "a -b", "x>=3"])
def test_what_nothing_is_put_in_place_of_can_be_copied(name: str) -> None:
    assert JOINER not in literal(name)


def test_a_name_of_markdown_is_shown_as_it_is_and_fetches_nothing(page: Page, ui: str, stand_in: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    account = {"email": "tricks@example.com", "password": "Password123!", "name": TRICKS}
    httpx.post(f"{stand_in}/api/v1/auth/register", json=account).raise_for_status()
    page.goto(f"{ui}/account")
    sign_in(page, account["email"], account["password"])
    shown = page.get_by_test_id("stMarkdown").filter(has_text="evil.example").locator("strong")
    expect(shown).to_be_visible(timeout=20_000)
    assert shown.inner_text().replace(JOINER, "") == TRICKS
    assert shown.locator("img").count() == 0
    assert not [url for url in asked if "evil.example" in url]


def test_an_alert_is_named_as_it_is() -> None:
    told = words.heading({"rule_name": "![.](x)", "source": "![.](x)", "category": "$"})
    assert told == r"**\!\[\.\]\(x\)** · \!\[\.\]\(x\) · \$"


def test_images_come_from_the_ui_alone(ui: str) -> None:
    assert "img-src 'self' data: blob:" in httpx.get(ui).headers["content-security-policy"]
