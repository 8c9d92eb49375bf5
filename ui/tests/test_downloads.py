"""A file on its way through the UI's own server, which is a real one here."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

import telltale_ui
from telltale_ui import login
from telltale_ui.api_client import ApiClient, Page
from telltale_ui.exports.dialog import is_direct
from telltale_ui.exports.files import export_file_link, export_link, import_errors_link
from telltale_ui.sessions import SESSION_COOKIE

RECORDS = Path(telltale_ui.__file__).parent / "app_pages" / "records.py"


@pytest.fixture
def download(ui: str, client: ApiClient) -> Callable[..., httpx.Response]:
    session_id = client.start_session("viewer@example.com", "Password123!")["session_id"]

    def get(**asked: Any) -> httpx.Response:
        return httpx.get(ui + export_link("csv", asked), cookies={SESSION_COOKIE: session_id}, timeout=20)

    return get


def test_a_file_comes_through_for_the_user_of_the_cookie(download: Callable[..., httpx.Response]) -> None:
    response = download(source=["press-3", "a&b=c +é"], category=[], min_value=None, sort="-value")
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'attachment; filename="records.csv"'
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    who, asked, *rest = response.text.split("\r\n")
    assert who == "Demo viewer"
    assert asked == "format=csv&source=press-3&source=a%26b%3Dc+%2B%C3%A9&sort=-value"
    assert len(rest) == 100_001


def test_a_refusal_is_a_text_for_a_person(download: Callable[..., httpx.Response], ui: str) -> None:
    refused = download(min_value="0")
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"
    assert refused.text.startswith(
        "Invalid request\n\nthese are 3,000,000 records: choose a shorter range\n\nRequest id"
    )
    nobody = httpx.get(ui + export_link("csv", {}))
    assert (nobody.status_code, nobody.text) == (401, "Not signed in\n\nSign in, then ask for the file again.")
    ended = httpx.get(ui + export_link("csv", {}), cookies={SESSION_COOKIE: "ended"})
    assert (ended.status_code, ended.headers["content-type"]) == (401, "text/plain; charset=utf-8")


def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(download: Callable[..., httpx.Response]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        download(min_value="1")


def test_query_is_left_when_the_browser_leaves(
    ui: str, client: ApiClient, download: Callable[..., httpx.Response]
) -> None:
    session_id = client.start_session("viewer@example.com", "Password123!")["session_id"]
    before = download(min_value="3").json()["left"]
    cookies = {SESSION_COOKIE: session_id}
    with httpx.stream("GET", ui + export_link("csv", {"min_value": "2"}), cookies=cookies) as response:
        next(response.iter_raw())
    deadline = time.monotonic() + 10
    while download(min_value="3").json()["left"] == before:
        assert time.monotonic() < deadline, "the stand-in still streams"
        time.sleep(0.05)


def test_files_made_before_come_through_likewise(ui: str, client: ApiClient) -> None:
    session_id = client.start_session("viewer@example.com", "Password123!")["session_id"]
    cookies = {SESSION_COOKIE: session_id}
    made = httpx.get(ui + export_file_link("7"), cookies=cookies)
    assert (made.text, made.headers["content-disposition"]) == (
        "made before\r\n",
        'attachment; filename="records-7.csv"',
    )
    template = httpx.get(ui + "/files/imports/template", cookies=cookies)
    assert template.text.startswith("source,category,observed_at,value")
    unknown = httpx.get(ui + import_errors_link("no/../such"), cookies=cookies)
    assert unknown.status_code == 404


def test_the_records_page_offers_what_is_on_screen(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = client.start_session("viewer@example.com", "Password123!")["session_id"]
    token = client.access_token(session_id)
    monkeypatch.setattr(login, "user", lambda: token.user)
    monkeypatch.setattr(login, "api", lambda: client.signed_in(lambda renew: token.value))
    page = AppTest.from_file(str(RECORDS), default_timeout=20)
    page.query_params.update({"source": ["press-3"], "sort": "Highest value", "min_value": "1234"})
    page.run()
    page.button(key="record_export").click().run()
    assert not page.exception
    assert "**1,234 records** match the filters on screen." in [one.value for one in page.markdown]
    (url,) = [one.proto.url for one in page.get("link_button") if one.proto.label == "Download"]
    asked = httpx.URL(url).params
    assert httpx.URL(url).path == "/files/records"
    assert asked["format"] == "xlsx"
    assert asked.get_list("source") == ["press-3"]
    assert (asked["sort"], asked["min_value"]) == ("-value", "1234.0")
    assert asked["from"] < asked["to"]
    assert not {"limit", "cursor", "category", "anomalous"} & set(asked)


@pytest.mark.parametrize(("rows", "exact", "direct"), [(20_000, True, True), (20_001, True, False), (5, False, False)])
def test_only_a_short_file_is_waited_for(rows: int, exact: bool, direct: bool) -> None:
    assert is_direct(Page([], total=rows, total_is_exact=exact), "xlsx") is direct
