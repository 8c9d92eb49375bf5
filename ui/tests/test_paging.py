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


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(1, "records", "1 record"), (1, "entries", "1 entry"), (2_000, "records", "2,000 records")],
)
def test_one_is_not_many(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text
