"""How far a job is, in plain words: a bar, rows, rate and what is left."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal

POLL_SECONDS = 1.0
RUNNING = ("queued", "running")


def is_running(job: dict[str, Any] | None) -> bool:
    """Whether anything more will happen by itself."""
    return job is not None and job["state"] in RUNNING


def seconds_text(seconds: float) -> str:
    """How long something will take, roughly."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def progress_text(done: int | None, total: int | None, rate: float | None, verb: str) -> str:
    """``12,000 of 50,000 rows checked · 96,000 rows/s · 1 s left``."""
    rows = f"{done or 0:,}" + (f" of {total:,}" if total else "")
    parts = [f"{rows} rows {verb}"]
    if rate:
        parts.append(f"{rate:,.0f} rows/s")
        if total and done is not None and total > done:
            parts.append(f"{seconds_text((total - done) / rate)} left")
    return " · ".join(parts)


def show_bar(done: int | None, total: int | None, rate: float | None, verb: str, *, state: str) -> None:
    """The bar of one job; without a total it stands still and the text tells."""
    share = min(1.0, (done or 0) / total) if total else 0.0
    text = "Waiting for its turn" if state == "queued" else progress_text(done, total, rate, verb)
    st.progress(share, text=text)


def show_progress(job_id: str, *, verb: str) -> dict[str, Any] | None:
    """Show how far a job is; returns it, ``None`` while it cannot be asked."""
    try:
        job = login.api().job(job_id)
    except ApiError as error:
        st.caption(f":material/warning: {feedback.describe(error)}")
        return None
    if is_running(job):
        show_bar(job["rows_done"], job["rows_total"], job["rate"], verb, state=job["state"])
    elif job["state"] == "failed":
        st.error(literal(job["problem"] or "It failed."), title="This did not work", icon=":material/error:")
    elif job["state"] == "cancelled":
        st.info("It was cancelled.", icon=":material/cancel:")
    return job
