"""Files on their way from the browser to query, through the UI's own server, which is a real one here."""

from collections.abc import Iterator

import httpx
import psutil
import pytest

from telltale_ui.api_client import ApiClient
from telltale_ui.sessions import SESSION_COOKIE

OWN_PAGE = {"sec-fetch-site": "same-origin"}
LINE = b"press-3,temperature,2026-11-20T00:00:00Z,21.5,C,\r\n"
HEADER = b"source,category,observed_at,value,unit,note\r\n"
BOUNDARY = "part"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
MEBIBYTE = 1024 * 1024


@pytest.fixture
def cookies(client: ApiClient) -> dict[str, str]:
    return {SESSION_COOKIE: client.start_session("user@example.com", "Password123!")["session_id"]}


def test_a_file_reaches_query_with_its_options_in_the_name_of_its_sender(ui: str, cookies: dict[str, str]) -> None:
    sent = httpx.post(
        ui + "/files/imports?dry_run=true&on_error=skip",
        files={"file": ("readings.csv", HEADER + LINE * 3)},
        cookies=cookies,
        headers=OWN_PAGE,
    )
    assert sent.status_code == 202
    body = sent.json()
    assert (body["file_name"], body["rows"]["read"]) == ("readings.csv", 3)
    assert body["options"] == {"dry_run": "true", "on_error": "skip"}
    assert sent.headers["cache-control"] == "no-store"


def test_a_refusal_of_query_reaches_the_browser_as_it_is(ui: str, cookies: dict[str, str]) -> None:
    files = {"file": ("huge.csv", HEADER)}
    refused = httpx.post(ui + "/files/imports", files=files, cookies=cookies, headers=OWN_PAGE)
    assert refused.status_code == 413
    assert refused.json()["detail"] == "a file may have at most 1 MB"
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}, {}])
def test_other_sites_cannot_send_files(ui: str, cookies: dict[str, str], headers: dict[str, str]) -> None:
    files = {"file": ("readings.csv", HEADER)}
    assert httpx.post(ui + "/files/imports", files=files, cookies=cookies, headers=headers).status_code == 403


def test_who_is_not_signed_in_is_told_so(ui: str) -> None:
    files = {"file": ("readings.csv", HEADER)}
    refused = httpx.post(ui + "/files/imports", files=files, headers=OWN_PAGE)
    assert (refused.status_code, refused.json()["title"]) == (401, "Not signed in")
    ended = httpx.post(ui + "/files/imports", files=files, headers=OWN_PAGE, cookies={SESSION_COOKIE: "ended"})
    assert ended.status_code == 401


def test_a_large_file_is_not_held(ui: str, ui_process: psutil.Process, cookies: dict[str, str]) -> None:
    size = 64 * MEBIBYTE
    highest = ui_process.memory_info().rss
    before = highest

    def body() -> Iterator[bytes]:
        nonlocal highest
        disposition = 'Content-Disposition: form-data; name="file"; filename="large.csv"'
        yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode() + HEADER
        piece = LINE * (MEBIBYTE // len(LINE))
        for _ in range(size // MEBIBYTE):
            yield piece
            highest = max(highest, ui_process.memory_info().rss)
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    headers = {**OWN_PAGE, **MULTIPART}
    sent = httpx.post(ui + "/files/imports", content=body(), cookies=cookies, headers=headers, timeout=60)
    assert sent.status_code == 202
    assert sent.json()["file_bytes"] > size * 0.9
    assert highest - before < 16 * MEBIBYTE
