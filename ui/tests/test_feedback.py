"""What a reader is told when a service refuses or is away."""

import pytest
from streamlit.testing.v1 import AppTest

from telltale_ui.api_client import ApiError
from telltale_ui.feedback import describe


def test_an_error_is_a_sentence_with_its_fields_and_the_request_id() -> None:
    fields = [{"field": "new_value", "message": "too high"}]
    error = ApiError("Not valid", "check new_value", status=422, request_id="abc", fields=fields)
    assert describe(error) == "New value\\: too high  \nRequest id: `abc`"
    error = ApiError("Not valid", "these are too many", status=422, fields=fields)
    assert describe(error) == "These are too many  \nNew value\\: too high"


def _page(status: int) -> None:
    from telltale_ui import feedback
    from telltale_ui.api_client import ApiError

    feedback.show_error(ApiError("Not available", "no answer", status=status))


@pytest.mark.parametrize(("status", "retried"), [(0, True), (503, True), (409, False)])
def test_only_what_passes_by_itself_is_tried_again(status: int, retried: bool) -> None:
    shown = AppTest.from_function(_page, args=(status,)).run()
    assert [one.label for one in shown.button] == ["Try again"]
    assert ("This page tries again by itself." in [one.value for one in shown.caption]) is retried
