"""Each page runs against the stand-in, for each role, without an error."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import telltale_ui
from telltale_ui import login
from telltale_ui.api_client import ApiClient

PAGES = Path(telltale_ui.__file__).parent / "app_pages"


@pytest.fixture
def sign_in(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def as_role(role: str) -> None:
        session_id = client.start_session(f"{role}@example.com", "Password123!")["session_id"]
        token = client.access_token(session_id)
        monkeypatch.setattr(login, "user", lambda: token.user)
        monkeypatch.setattr(login, "api", lambda: client.signed_in(lambda renew: token.value))

    return as_role


def _run(page: str) -> AppTest:
    return AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=20).run()


@pytest.mark.parametrize("page", ["records", "analytics", "account", "users", "system", "logs"])
def test_a_page_shows_its_title_and_no_error(page: str, sign_in: Callable[[str], None]) -> None:
    sign_in("admin")
    shown = _run(page)
    assert not shown.exception
    assert not shown.error
    assert shown.title[0].value


def test_a_viewer_is_offered_no_changes(sign_in: Callable[[str], None]) -> None:
    sign_in("viewer")
    assert "New record" not in [one.label for one in _run("records").button]
    sign_in("user")
    assert "New record" in [one.label for one in _run("records").button]


def test_the_next_page_of_records_is_asked_from_the_server(sign_in: Callable[[str], None]) -> None:
    sign_in("viewer")
    shown = _run("records")
    first = shown.dataframe[0].value.iloc[0]["Observed at"]
    shown.button(key="records_next").click().run()
    assert shown.dataframe[0].value.iloc[0]["Observed at"] < first
    assert shown.query_params["records_after"] == "50"
    shown.button(key="records_previous").click().run()
    assert "records_after" not in shown.query_params
