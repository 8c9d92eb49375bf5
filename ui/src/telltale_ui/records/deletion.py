"""The dialog in which an administrator deletes all records that the filters choose."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, jobs, login
from telltale_ui.api_client import ApiError
from telltale_ui.filters import Selection
from telltale_ui.markdown import literal

_CHANGED_MEANWHILE = 409
_JOB, _COUNTED = "deletion_job", "deletion_counted"


def open_dialog(selection: Selection) -> None:
    """Begin anew: nothing of an earlier deletion is kept."""
    for held in (_JOB, _COUNTED):
        st.session_state.pop(held, None)
    deletion_dialog(selection)


@st.dialog("Delete all that match", icon=":material/delete_sweep:", width="medium")
def deletion_dialog(selection: Selection) -> None:
    """Count first, delete only what was counted, and show how far it is."""
    job_id = st.session_state.get(_JOB)
    if job_id:
        _follow(job_id)
        return
    if _COUNTED not in st.session_state:  # the number stands still while somebody types it
        try:
            st.session_state[_COUNTED] = login.api().preview_deletion(selection.body())
        except ApiError as error:
            feedback.show_error(error, key="deletion_retry")
            return
    counted: dict[str, Any] = st.session_state[_COUNTED]
    count = counted["count"]
    if not count:
        st.info("No record matches the filters on screen.", icon=":material/info:")
        return
    about = "" if counted["count_is_exact"] else "At least "
    st.markdown(f"**{about}{count:,} records** will be deleted:")
    st.markdown("\n".join(f"- {literal(line)}" for line in selection.described()))
    if about:
        st.warning(
            f"With a filter on values, records are not all counted beforehand: there are {count:,} or more. By typing "
            f"{count} you confirm that every record that matches is deleted, however many there are.",
            icon=":material/warning:",
        )
    st.caption("Statistics follow at once. This cannot be undone. It is kept in the audit trail with your name.")
    label = f"Type {count} to confirm {about.lower()}{count:,} records"
    typed = st.text_input(label, key="deletion_count", autocomplete="off")
    if st.button("Delete them", type="primary", icon=":material/delete:", key="deletion_confirm"):
        if typed.replace(",", "").strip() != str(count):
            st.error(f"Type the number {count} to confirm.", icon=":material/error:")
            return
        _start(counted)


def _start(counted: dict[str, Any]) -> None:
    try:
        # The filter that was counted has an end: what is measured meanwhile stays.
        job = login.api().delete_records(counted["filter"], counted["count"])
    except ApiError as error:
        if error.status == _CHANGED_MEANWHILE:
            st.warning(
                f"{feedback.describe(error)}  \nClose this and open it again to see how many there are now.",
                title="The records have changed meanwhile",
                icon=":material/sync_problem:",
            )
        else:
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
        return
    st.session_state[_JOB] = str(job["id"])
    st.rerun(scope="fragment")


@st.fragment(run_every=jobs.POLL_SECONDS)
def _follow(job_id: str) -> None:
    job = jobs.show_progress(job_id, verb="deleted")
    if job is not None and job["state"] == "done":
        feedback.done(f"{job['rows_done'] or 0:,} records are deleted.")
        st.rerun()
