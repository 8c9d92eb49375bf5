import pytest

from telltale_ui.records.table import anomaly_text, clicked_order, heading


@pytest.mark.parametrize(
    ("field", "order", "wanted"),
    [
        ("value", "-observed_at", "-value"),
        ("value", "-value", "value"),
        ("value", "value", "-value"),
        ("source", "-observed_at", "source"),
        ("note", "-observed_at", None),
    ],
)
def test_a_click_on_a_heading_sorts_the_whole_list(field: str, order: str, wanted: str | None) -> None:
    assert clicked_order(field, order) == wanted


def test_the_heading_shows_the_order() -> None:
    assert heading("value", "-value") == "Value ↓"
    assert heading("value", "value") == "Value ↑"
    assert heading("source", "value") == "Source"


def test_an_anomaly_is_told_in_words() -> None:
    assert anomaly_text(None) is None
    assert anomaly_text({"score": 8.44, "verdict": "confirmed"}) == "score 8.4, confirmed"
