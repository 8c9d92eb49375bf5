"""A file to import: chosen, looked into, and sent by the browser straight to the server."""

import secrets
from typing import Any

import httpx
import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError, given
from telltale_ui.exports.files import TEMPLATE_LINK
from telltale_ui.imports.options import column_pickers, delimiter_picker, rules, zone_picker
from telltale_ui.imports.picker import ChosenFile, file_picker
from telltale_ui.markdown import literal

_SEND, _SENT, _PROBLEM, _PREVIEW = "import_send", "import_sent", "import_problem", "import_preview"


def _preview(file: ChosenFile, delimiter: str) -> dict[str, Any]:
    """What the server makes of the file's beginning; asked once for each file and delimiter."""
    key = (file.once, delimiter)
    held = st.session_state.get(_PREVIEW)
    if held is None or held[0] != key:
        seen = login.api().preview_import(file.name, file.head, {"delimiter": delimiter})
        held = st.session_state[_PREVIEW] = (key, seen)
    seen_before: dict[str, Any] = held[1]
    return seen_before


def _send(file: ChosenFile, options: dict[str, Any]) -> None:
    st.session_state.pop(_PROBLEM, None)
    address = f"/files/imports?{httpx.QueryParams(given(options))}"
    st.session_state[_SEND] = {"once": secrets.token_hex(8), "file": file.once, "address": address}


def is_sending(file: ChosenFile) -> bool:
    """Whether this very file is on its way: a transfer of another one ended when its page was left."""
    send = st.session_state.get(_SEND)
    return send is not None and send["file"] == file.once


def _show_preview(preview: dict[str, Any]) -> None:
    rows = [dict(zip(preview["header"], row, strict=False)) for row in preview["rows"]]
    st.dataframe(rows, hide_index=True, height="content", placeholder="", alt="The first rows of the file")
    st.caption(f"The first {len(rows)} rows of the file.")
    for problem in preview["problems"]:
        st.warning(literal(problem_text(problem)), icon=":material/report:")


def problem_text(problem: Any) -> str:
    """One thing that is wrong, with its place where it has one."""
    if not isinstance(problem, dict):
        return str(problem)
    place = f"Line {problem['line']:,}" if problem.get("line") else ""
    column = f", {problem['column']}" if problem.get("column") else ""
    value = f" {problem['value']!r}" if problem.get("value") not in (None, "") else ""
    return f"{place}{column}{value}: {problem['reason']}" if place else str(problem["reason"])


def _ask(file: ChosenFile, *, sending: bool) -> None:
    """The preview, the options and the two ways on."""
    preview: dict[str, Any] | None = None
    try:
        preview = _preview(file, st.session_state.get("import_delimiter", "auto"))
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    with st.grid(2, min_column_width=260):
        delimiter = delimiter_picker(preview["delimiter"] if preview else None)
        zone = zone_picker()
    if preview is None:
        return
    _show_preview(preview)
    columns = column_pickers(preview["header"], preview["mapping"], file.once)
    with st.container(horizontal=True):
        rule = rules()
    ready = columns.pop("ready")
    options = {"delimiter": delimiter, "time_zone": zone, **columns, **rule}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Import",
            type="primary",
            icon=":material/upload:",
            key="import_start",
            disabled=sending or not ready,
            on_click=_send,
            args=(file, options),
        )
        st.button(
            "Check only",
            icon=":material/rule:",
            key="import_check",
            disabled=sending or not ready,
            on_click=_send,
            args=(file, {**options, "dry_run": "true"}),
            help="Looks at every row and tells what is wrong, without importing anything.",
        )
        st.caption("All rows or none: nothing is ever half imported, and an import can be undone.")


def _finish(finished: dict[str, Any], file: ChosenFile | None) -> None:
    """Go on with what the transfer of ``file`` ended in."""
    send = st.session_state.get(_SEND)
    if send is None or finished["once"] != send["once"]:
        return
    del st.session_state[_SEND]
    if problem := finished.get("problem"):
        st.session_state[_PROBLEM] = ApiError(
            str(problem.get("title") or "The file was not taken"),
            str(problem.get("detail") or ""),
            status=int(problem.get("status") or 0),
            request_id=str(problem.get("request_id") or ""),
            fields=problem.get("errors") or [],
        )
    elif finished.get("id") and file:
        st.session_state[_SENT] = file.once
        st.query_params["show"] = finished["id"]
    st.rerun()


def import_form() -> None:
    """From choosing a file to sending it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("###### Import a CSV file", width="stretch")
            st.link_button(
                "Template", TEMPLATE_LINK, icon=":material/download:", type="tertiary", key="import_template"
            )
        picked = file_picker(key="import_picker", send=st.session_state.get(_SEND), forget=st.session_state.get(_SENT))
        file = picked.file
        if picked.finished:
            _finish(picked.finished, file)
        if error := st.session_state.get(_PROBLEM):
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        if file is None or file.once == st.session_state.get(_SENT):
            st.caption(
                "Columns: source, category, observed_at, value, and optionally unit and note. Other names can be "
                "matched after the file is chosen."
            )
            return
        _ask(file, sending=is_sending(file))
