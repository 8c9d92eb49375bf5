"""A session that ends elsewhere: the next page run shows the sign-in page instead of an error."""

import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from telltale_ui import login
from telltale_ui.api_client import ApiClient


def _page() -> None:
    import streamlit as st

    from telltale_ui import feedback, login

    user = login.current_user()
    if user is None:
        st.title("Sign in")
    else:
        with feedback.plain_errors():
            st.title(user.name)
            if st.button("Refused"):
                login._token(renew=True)


def test_a_session_that_has_ended_leads_to_the_sign_in_page(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = client.start_session("user@example.com", "Password123!")["session_id"]
    monkeypatch.setattr(login, "client", lambda: client)
    monkeypatch.setattr(login, "_session_id", lambda: session_id)
    shown = AppTest.from_function(_page).run()
    assert shown.title[0].value == "Demo user"
    client.end_session(session_id)
    shown.run()
    assert shown.title[0].value == "Demo user", "an access token is good until it ends or is refused"
    shown.button[0].click().run()
    assert [one.value for one in shown.title] == ["Sign in"]
    assert not shown.error


def _followed() -> None:
    from telltale_ui import login

    login.follow_account(login.user())


@pytest.mark.parametrize(("minutes", "warned"), [(5, True), (60, False)])
def test_a_session_that_is_about_to_end_says_so(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch, minutes: int, warned: bool
) -> None:
    session_id = client.start_session("user@example.com", "Password123!")["session_id"]
    token = replace(client.access_token(session_id), session_ends_at=time.time() + minutes * 60)
    monkeypatch.setattr(login, "user", lambda: token.user)
    shown = AppTest.from_function(_followed)
    shown.session_state["access_token"] = token
    shown.run()
    assert not shown.exception
    assert ["5 min" in one.value for one in shown.warning] == ([True] if warned else [])


def _left_open() -> None:
    import time

    import streamlit as st

    from telltale_ui import login

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if st.session_state["runs"] == 1:
        login._follow(login.user(), time.monotonic() - 3600, 3600.0)
    login.follow_account(login.user(), is_told=True)


def test_a_page_left_open_asks_before_it_warns_and_then_looks_by_the_new_end(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = client.start_session("user@example.com", "Password123!")["session_id"]
    monkeypatch.setattr(login, "client", lambda: client)
    monkeypatch.setattr(login, "_session_id", lambda: session_id)
    now = client.access_token(session_id)
    monkeypatch.setattr(login, "user", lambda: now.user)
    shown = AppTest.from_function(_left_open)
    shown.session_state["access_token"] = replace(now, expires_at=0.0, session_ends_at=time.time() + 300)
    shown.run()
    assert not shown.exception
    assert not shown.warning
    assert shown.session_state["runs"] == 2
    assert shown.session_state["access_token"].session_ends_at > time.time() + 3600


def _sign_in_page() -> None:
    from telltale_ui import sign_in

    sign_in.render()


@pytest.mark.parametrize("is_open", [True, False])
def test_only_who_may_register_is_offered_to(client: ApiClient, monkeypatch: pytest.MonkeyPatch, is_open: bool) -> None:
    monkeypatch.setattr(client, "can_register", lambda: is_open)
    monkeypatch.setattr(login, "client", lambda: client)
    shown = AppTest.from_function(_sign_in_page).run()
    assert not shown.exception
    assert {one.key for one in shown.text_input} >= {"sign_in_email", "sign_in_password"}
    assert ("register_email" in {one.key for one in shown.text_input}) == is_open
