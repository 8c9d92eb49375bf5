"""What the service says about its answers, each remark once."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from telltale_ui.markdown import literal


class Notes:
    """The remarks of one page run."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, answer: Mapping[str, Any]) -> None:
        """The remarks of ``answer`` that were not shown yet."""
        for note in answer.get("notes") or []:
            if note not in self._shown:
                self._shown.add(note)
                st.caption(f":material/info: {literal(note[:1].upper() + note[1:])}")
