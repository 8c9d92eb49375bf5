"""The file picker: the browser keeps the file and streams it to our server, so that no page ever holds it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_picker = st.components.v2.component(
    "telltale_file_picker",
    html=(_HERE / "picker.html").read_text(),
    css=(_HERE / "picker.css").read_text(),
    js=(_HERE / "picker.js").read_text(),
)


@dataclass(frozen=True)
class ChosenFile:
    """The file in the browser's hands, as far as the page knows it."""

    name: str
    size: int
    head: bytes
    """Its first 64 KiB."""
    once: str
    """Another one whenever a file is chosen."""


@dataclass(frozen=True)
class Picked:
    """What the picker says in this run."""

    file: ChosenFile | None
    finished: dict[str, Any] | None
    """The end of a transfer, once: ``id`` of the import, ``problem``, or ``cancelled``."""


def file_picker(*, key: str, send: dict[str, str] | None, forget: str | None) -> Picked:
    """Show the picker.

    Args:
        key: where its state is kept.
        send: ``address`` to send the file to whose ``once`` is ``file``; another ``once`` sends it again.
        forget: another value forgets the chosen file.
    """
    result = _picker(
        key=key,
        data={"send": send, "forget": forget},
        on_chosen_change=_nothing,
        on_finished_change=_nothing,
    )
    chosen = result.chosen
    file = (
        ChosenFile(chosen["name"], int(chosen["size"]), base64.b64decode(chosen["head"]), chosen["once"])
        if chosen
        else None
    )
    return Picked(file, result.finished)


def _nothing() -> None:
    """Streamlit wants a callback for each value; the result is enough for us."""
