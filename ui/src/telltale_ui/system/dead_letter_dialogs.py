"""The dialogs of dead letters: one letter whole, and replaying or discarding with progress, after a second look."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from telltale_ui import feedback, jobs, login, tables, times
from telltale_ui.api_client import ApiError
from telltale_ui.markdown import literal
from telltale_ui.paging import counted

_JOB = "dead_letter_job"


@dataclass(frozen=True)
class Kind:
    """What can be done with dead letters."""

    path: str
    """Of the request."""
    verb: str
    done: str
    about: str
    """What it means, before it is confirmed."""


REPLAY = Kind(
    "replay",
    "Replay",
    "replayed",
    "What can be stored by now becomes records, and moves from dead to stored in the ledger. What cannot stays here,"
    " and nothing is stored twice.",
)
DISCARD = Kind(
    "discard",
    "Discard",
    "discarded",
    "They stay dead letters in the ledger and are listed as discarded. They cannot be replayed afterwards.",
)


def pretty(payload: str) -> tuple[str, str]:
    """A payload as it is read most easily, and its language: JSON in lines where it is JSON."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False), "json"
    except ValueError:
        return payload, "text"


def numbers_text(letter: Mapping[str, Any]) -> str:
    """Which numbers of which producer it holds; empty where nobody knows."""
    if not letter["producer"] or letter["number"] is None:
        return ""
    last = letter["number"] + letter["count"] - 1
    span = f"{letter['number']:,}" if last <= letter["number"] else f"{letter['number']:,} to {last:,}"
    return f"number {span} of {letter['producer']}"


def letter_name(letter: Mapping[str, Any]) -> str:
    """What tells one letter from others, in a line: its reason, and its numbers or else when it arrived."""
    return f"{letter['reason']}: {numbers_text(letter) or 'arrived ' + times.clock(times.parse(letter['at']))}"


@st.dialog("Dead letter", icon=":material/mark_email_unread:", width="large")
def show_letter(letter_id: str) -> None:
    """One letter with all that is kept of its payload."""
    with feedback.plain_errors(key="retry_dead_letter"):
        letter = login.api().dead_letter(letter_id)
        st.markdown(f"**{literal(letter['reason'])}** · {literal(letter['detail'])}")
        arrived = f"Arrived {times.clock(times.parse(letter['at']))} ({times.viewer_zone().key})"
        st.caption(literal(" · ".join(filter(None, (arrived, numbers_text(letter))))))
        if letter["resolution"]:
            at = times.clock(times.parse(letter["resolved_at"]))
            st.caption(literal(f"{letter['resolution'].capitalize()} by {letter['resolved_by']}, {at}"))
        text, language = pretty(letter["payload"])
        st.code(text, language=language, wrap_lines=True)
        st.caption(f"{tables.bytes_text(letter['payload_bytes'])} kept")


def open_dialog(kind: Kind, choice: Mapping[str, Any], count: int, told: list[str]) -> None:
    """Begin anew: nothing of an earlier one is kept.

    Args:
        kind: what is to be done.
        choice: the body of the request.
        count: how many letters that is.
        told: which ones, in words.
    """
    st.session_state.pop(_JOB, None)
    _dialog(kind, dict(choice), count, told)


@st.dialog("Dead letters", icon=":material/mark_email_unread:")
def _dialog(kind: Kind, choice: dict[str, Any], count: int, told: list[str]) -> None:
    job_id = st.session_state.get(_JOB)
    if job_id:
        _follow(kind, job_id)
        return
    st.markdown(f"**{kind.verb} {counted(count, 'dead letters')}**:")
    st.markdown("\n".join(f"- {literal(line)}" for line in told))
    st.caption(f"{kind.about} It is kept in the audit trail with your name.")
    if st.button(kind.verb, type="primary", icon=":material/check:", key="dead_letters_confirm"):
        try:
            job = login.api().resolve_dead_letters(kind.path, choice)
        except ApiError as error:
            st.error(feedback.describe(error), title=error.title, icon=":material/error:")
            return
        st.session_state[_JOB] = str(job["id"])
        st.rerun(scope="fragment")


def outcome(kind: Kind, result: Mapping[str, Any]) -> str:
    """What became of them, in one sentence."""
    refused = {name.removeprefix("refused "): n for name, n in result.items() if name.startswith("refused ")}
    said = f"{counted(int(result.get('done', 0)), 'dead letters')} {kind.done}"
    if kind is REPLAY:
        said += f": {result.get('stored', 0):,} readings stored, {result.get('repeated', 0):,} were there already"
    if refused:
        said += "; still refused: " + ", ".join(f"{reason} {n:,}" for reason, n in sorted(refused.items()))
    return f"{said}."


@st.fragment(run_every=jobs.POLL_SECONDS)
def _follow(kind: Kind, job_id: str) -> None:
    job = jobs.show_progress(job_id, verb=kind.done)
    if job is not None and job["state"] == "done":
        feedback.done(outcome(kind, job["result"] or {}))
        st.rerun()
