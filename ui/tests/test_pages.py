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


@pytest.mark.parametrize("page", ["alerts", "records", "analytics", "imports", "account", "users", "system", "logs"])
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
    first = shown.dataframe[0].value.iloc[0]["Observed at ↓"]
    shown.button(key="records_next").click().run()
    assert shown.dataframe[0].value.iloc[0]["Observed at ↓"] < first
    assert shown.query_params["records_after"] == "50"
    shown.button(key="records_previous").click().run()
    assert "records_after" not in shown.query_params


def _attempt(shown: AppTest, current: str, new: str, again: str) -> None:
    for label, value in (("Password now", current), ("New password", new), ("The same again", again)):
        next(one for one in shown.text_input if one.label == label).set_value(value)
    next(one for one in shown.button if one.label == "Change password").click().run()


def test_a_wrong_password_is_told_and_a_right_one_changes_it(sign_in: Callable[[str], None]) -> None:
    sign_in("user")
    shown = _run("account")
    _attempt(shown, "Password123!", "a pass phrase", "another phrase")
    assert "differ" in shown.error[0].value
    _attempt(shown, "wrong", "a pass phrase", "a pass phrase")
    assert "this is not the password" in shown.error[0].value
    assert [one.value for one in shown.text_input] == ["wrong", "a pass phrase", "a pass phrase"]
    _attempt(shown, "Password123!", "a pass phrase", "a pass phrase")
    assert not shown.error
    assert "The password is changed" in shown.toast[0].value
    assert [one.value for one in shown.text_input] == ["", "", ""]


def _open_tab(name: str) -> AppTest:
    shown = AppTest.from_file(str(PAGES / "account.py"), default_timeout=20)
    shown.session_state["account_tab"] = name
    return shown.run()


def test_a_new_api_key_is_shown_once(sign_in: Callable[[str], None]) -> None:
    sign_in("user")
    shown = _open_tab("API keys")
    shown.text_input(key="key_name").set_value("press hall")
    next(one for one in shown.button if one.label == "Create key").click().run()
    assert shown.code[0].value.startswith("tt_")
    assert "press hall" in list(shown.dataframe[0].value["Name"])
    shown.run()
    assert not shown.code


def test_another_session_is_ended(sign_in: Callable[[str], None]) -> None:
    sign_in("user")
    shown = _open_tab("Sessions")
    before = len(shown.dataframe[0].value)
    shown.selectbox(key="session_to_end").select_index(0).run()
    shown.button(key="end_session").click().run()
    assert len(shown.dataframe[0].value) == before - 1


def test_the_sessions_of_one_account_are_shown_to_administrators(sign_in: Callable[[str], None]) -> None:
    sign_in("admin")
    shown = _run("users")
    assert "last active administrator" in shown.caption[0].value
    shown.selectbox(key="user_chosen").select_index(0).run()
    assert not shown.exception
    assert not shown.error
    assert shown.button(key="user_sign_out").label == "Sign out everywhere"


def test_the_audit_of_accounts_is_filtered(sign_in: Callable[[str], None]) -> None:
    sign_in("admin")
    shown = AppTest.from_file(str(PAGES / "logs.py"), default_timeout=20)
    shown.query_params["log"] = "Changes to accounts"
    shown.query_params["target"] = "ada"
    shown.run()
    assert not shown.exception
    assert not shown.error
    assert shown.text_input(key="target").value == "ada"
