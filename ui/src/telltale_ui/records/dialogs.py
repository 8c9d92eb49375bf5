"""Dialogs that create, edit and delete one record; a conflict says who changed it and shows what is there now."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

_CHANGED_MEANWHILE = 412
_OPENED = "opened_record"
NOW, EARLIER = "Now", "At another time"


def _opened(record_id: str, *, anew: bool = False) -> tuple[dict[str, Any], str]:
    """The record as it was when its dialog opened, with its ETag; ``anew`` as it is now."""
    held: tuple[dict[str, Any], str] | None = st.session_state.get(_OPENED)
    if held is None or anew or held[0]["id"] != record_id:
        held = st.session_state[_OPENED] = login.api().record(record_id)
    return held


def _carry_out(action: Callable[[], object], message: str) -> bool:
    """Do it and close the dialog; True when somebody else was faster, which is then explained."""
    conflict = False
    try:
        action()
    except ApiError as error:
        conflict = error.status == _CHANGED_MEANWHILE
        if conflict:
            st.warning(feedback.describe(error), title="Somebody changed this record", icon=":material/sync_problem:")
        else:
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
    else:
        st.session_state.pop(_OPENED, None)
        feedback.done(message)
        st.rerun()
    return conflict


def _offer_current_state(record_id: str) -> None:
    """After a conflict: what is there now, on which the next click builds."""
    try:
        current, _ = _opened(record_id, anew=True)
    except ApiError as error:
        st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    note = f", note: {literal(current['note'])}" if current.get("note") else ""
    st.markdown(f"It is now **{literal(tables.number_text(current['value'], current['unit']))}**{note}.")
    st.caption("Click again to go on all the same, or close this to keep what is there.")


def _heading(record: dict[str, Any]) -> None:
    st.markdown(f"**{literal(record['source'])} · {literal(record['category'])}**")
    st.caption(f"{times.clock(times.parse(record['observed_at']))} ({times.viewer_zone().key})")


def _forget() -> None:
    st.session_state.pop(_OPENED, None)


@st.dialog("New record", icon=":material/add:")
def create_dialog(series: list[dict[str, Any]]) -> None:
    """Store one reading by hand, in a series that exists or a new one."""
    zone = times.viewer_zone()
    known = {f"{one['source']} · {one['category']}": one for one in series}
    picked = st.selectbox("Series", [*known, "A new series"], key="new_series")
    one = known.get(picked)
    if one is None:
        one = {
            "source": st.text_input("Source", key="new_source", placeholder="press-3"),
            "category": st.text_input("Category", key="new_category", placeholder="temperature"),
            "unit": st.text_input("Unit", key="new_unit", placeholder="°C") or None,
        }
    now = datetime.now(UTC)
    at: datetime | None = now
    # The picker knows whole minutes only, at which a series measured every second has a reading already.
    when = st.segmented_control("Observed", [NOW, EARLIER], default=NOW, required=True, key="new_when")
    if when == EARLIER:
        local = now.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        picked_at = st.datetime_input(f"Observed at ({zone.key})", local, key="new_at", step=60)
        at = picked_at.replace(tzinfo=zone) if picked_at else None
    value = st.number_input(f"Value ({literal(one['unit'] or 'no unit')})", value=None, key="new_value", format="%g")
    note = st.text_input("Note", key="new_note")
    if st.button("Save", type="primary", icon=":material/check:", key="record_create_confirm"):
        if at is None or value is None or not one["source"] or not one["category"]:
            st.error("Series, time and value are needed.", icon=":material/error:")
            return
        body = {
            "source": one["source"],
            "category": one["category"],
            "unit": one["unit"],
            "observed_at": times.rfc3339(at),
            "value": value,
            "note": note or None,
        }
        _carry_out(lambda: login.api().create_record(body), "The record is stored.")


@st.dialog("Edit record", icon=":material/edit:", on_dismiss=_forget)
def edit_dialog(record_id: str) -> None:
    """Change value or note, provided nobody else did since the dialog opened."""
    with feedback.plain_errors(key="retry_record"):
        record, etag = _opened(record_id)
        _heading(record)
        value = st.number_input(
            f"Value ({literal(record['unit'] or 'no unit')})",
            value=float(record["value"]),
            format="%.8g",
            key=f"edit_value_{record_id}",
        )
        note = st.text_input("Note", value=record.get("note") or "", key=f"edit_note_{record_id}")
        if st.button("Save", type="primary", icon=":material/check:", key="record_edit_confirm"):
            body = {"value": value, "note": note or None}
            conflict = _carry_out(lambda: login.api().edit_record(record_id, body, etag), "The record is changed.")
            if conflict:
                _offer_current_state(record_id)


@st.dialog("Delete record", icon=":material/delete:", on_dismiss=_forget)
def delete_dialog(record_id: str) -> None:
    """Delete after a second look, provided nobody changed it since the dialog opened."""
    with feedback.plain_errors(key="retry_record"):
        record, etag = _opened(record_id)
        _heading(record)
        st.markdown(f"Value {literal(tables.number_text(record['value'], record['unit']))}. This cannot be undone.")
        if st.button("Delete", type="primary", icon=":material/delete:", key="record_delete_confirm"):
            conflict = _carry_out(lambda: login.api().delete_record(record_id, etag), "The record is deleted.")
            if conflict:
                _offer_current_state(record_id)
