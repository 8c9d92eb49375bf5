"""Moving through lists that the server cuts, with and without a way back of its own."""

import pytest
from streamlit.testing.v1 import AppTest

from telltale_ui.paging import counted


def _listed(two_way: bool) -> None:
    import streamlit as st

    from telltale_ui.api_client import Page
    from telltale_ui.paging import Pager

    pager = Pager("numbers", "all", size=2)
    at = int(pager.cursor or 0)
    st.text(f"items {at}, {at + 1}")
    following = str(at + 2) if at < 6 else None
    before = str(at - 2) if two_way and at else None
    pager.show(Page([{}, {}], following, 8, previous_cursor=before), "numbers", timed=False)


@pytest.mark.parametrize("two_way", [True, False])
def test_a_list_is_walked_both_ways(two_way: bool) -> None:
    shown = AppTest.from_function(_listed, args=(two_way,)).run()
    seen = []
    for key in ("next", "next", "next", "previous", "previous", "first"):
        shown.button(key=f"numbers_{key}").click().run()
        seen.append((shown.text[0].value, shown.caption[0].value.rpartition(" ")[2]))
    assert seen == [
        ("items 2, 3", "2"),
        ("items 4, 5", "3"),
        ("items 6, 7", "4"),
        ("items 4, 5", "3"),
        ("items 2, 3", "2"),
        ("items 0, 1", "1"),
    ]
    assert not shown.query_params


def test_the_place_survives_a_reload_and_knows_the_way_back() -> None:
    shown = AppTest.from_function(_listed, args=(True,))
    shown.query_params["numbers_after"] = "4"
    shown.run()
    assert shown.text[0].value == "items 4, 5"
    assert shown.caption[0].value == "8 numbers"
    shown.button(key="numbers_previous").click().run()
    assert shown.text[0].value == "items 2, 3"
    assert shown.query_params["numbers_after"] in ("2", ["2"])


def _emptied() -> None:
    import streamlit as st

    from telltale_ui.api_client import Page, Params
    from telltale_ui.paging import Pager

    def ask(params: Params) -> Page:
        left = st.session_state.get("left", 3)
        at = int(str(params.get("cursor") or 0))
        return Page([{}] * min(2, left - at), str(at + 2) if at + 2 < left else None, left)

    pager = Pager("numbers", "all", size=2)
    page = pager.fetch(ask, {})
    st.text(f"{len(page.items)} from {pager.cursor}")
    pager.show(page, "numbers", timed=False)


def test_a_later_page_that_has_emptied_gives_way_to_the_first() -> None:
    shown = AppTest.from_function(_emptied).run()
    shown.button(key="numbers_next").click().run()
    assert shown.text[0].value == "1 from 2"
    shown.session_state["left"] = 2
    shown.run()
    assert shown.text[0].value == "2 from None"
    assert not shown.query_params


def _held() -> None:
    import streamlit as st

    from telltale_ui.paging import Pager

    state = st.session_state
    pager = Pager("numbers", state.get("filter", "all"))
    if state.pop("changed", False):
        pager.forget_selection()
    if state.pop("select", False):
        state[pager.table_key] = {"selection": {"rows": [0]}}

    def fetch() -> int:
        state["fetched"] = state.get("fetched", 0) + 1
        return int(state["fetched"])

    st.text(pager.hold(fetch))


def test_rows_stand_still_while_one_is_selected_in_the_same_list() -> None:
    shown = AppTest.from_function(_held)
    seen = []
    for change in ({}, {}, {"select": True}, {}, {"changed": True}, {"select": True}, {"filter": "some"}):
        for name, value in change.items():
            shown.session_state[name] = value
        seen.append(shown.run().text[0].value)
    assert seen == ["1", "2", "2", "2", "3", "3", "4"]


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(1, "records", "1 record"), (1, "entries", "1 entry"), (2_000, "records", "2,000 records")],
)
def test_one_is_not_many(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text
