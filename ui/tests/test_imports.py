"""What the imports page says."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from telltale_ui.imports.form import problem_text
from telltale_ui.imports.options import missing
from telltale_ui.imports.states import LABELS, RUNNING, label, meaning
from telltale_ui.jobs import progress_text

ROWS = {"read": 20, "good": 20, "bad": 0, "stored": 0, "repeated": 0, "kept": 0, "replaced": 0}


def _import(state: str, **rows: int) -> dict[str, Any]:
    return {"state": state, "rows": {**ROWS, **rows}, "job": {"problem": None}}


@pytest.mark.parametrize("state", LABELS)
def test_every_state_has_words(state: str) -> None:
    tone, text = meaning(_import(state))
    assert tone in ("info", "success", "warning", "error")
    assert text.endswith(".")
    assert label(_import(state)) == LABELS[state]
    assert (tone == "info") is (state in RUNNING or state == "cancelled")


def test_a_result_names_what_became_of_each_row() -> None:
    assert meaning(_import("applied", stored=1)) == ("success", "1 new record is stored.")
    tone, text = meaning(_import("applied", stored=1_500, repeated=2, kept=1, replaced=3, bad=1))
    assert tone == "warning"
    assert text == (
        "1,500 new records are stored; 3 rows replaced what was stored; 2 rows stored already, with the same "
        "value; 1 row left out: another value is stored for that instant; 1 row skipped: cannot be stored."
    )


def test_a_rejected_file_says_how_many_rows_and_what_to_do() -> None:
    tone, text = meaning(_import("rejected", bad=2))
    assert tone == "error"
    assert text.startswith("2 rows of 20 cannot be stored, so nothing was imported. Correct the file")


def test_a_failed_import_gives_its_reason() -> None:
    failed = {**_import("failed"), "job": {"problem": "the database was away"}}
    assert meaning(failed) == ("error", "the database was away")


def test_a_problem_has_its_place() -> None:
    problem = {"line": 1_205, "column": "value", "value": "x", "reason": "must be a number"}
    assert problem_text(problem) == "Line 1,205, value 'x': must be a number"
    assert problem_text({"reason": "the file is empty"}) == "the file is empty"


def test_required_columns_may_come_from_a_value_for_every_row() -> None:
    assert missing({"category": "c", "observed_at": "t", "value": "v"}, {}) == ["Source"]
    assert missing({"category": "c", "observed_at": "t", "value": "v"}, {"source": "press-3"}) == []


def test_progress_tells_rows_rate_and_what_is_left() -> None:
    assert progress_text(12_000, 50_000, 100_000.0, "checked") == (
        "12,000 of 50,000 rows checked · 100,000 rows/s · 1 s left"
    )
    assert progress_text(12_000, None, None, "written") == "12,000 rows written"
    assert progress_text(0, 36_000_000, 10_000.0, "written").endswith("60 min left")


def _transfer(once: str) -> None:
    import streamlit as st

    from telltale_ui.imports.form import is_sending
    from telltale_ui.imports.picker import ChosenFile

    st.text(is_sending(ChosenFile("a.csv", 1, b"", once)))


@pytest.mark.parametrize(("once", "goes_on"), [("first", True), ("second", False)])
def test_a_transfer_is_of_one_file(once: str, goes_on: bool) -> None:
    shown = AppTest.from_function(_transfer, args=(once,))
    shown.session_state["import_send"] = {"once": "x", "file": "first", "address": "/files/imports"}
    shown.run()
    assert shown.text[0].value == str(goes_on)
