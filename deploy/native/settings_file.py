"""Settings that the user chose, in `.env` or in the environment. `.env.example` lists every setting there is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from layout import ROOT, StackError

_EXAMPLE = ROOT / ".env.example"
_FILES = {"GENERATOR_REPLAY_FILE"}
"""Settings that name a file, from the project's folder on."""
_LINE = re.compile(r"(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)")


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    """NAME=value lines as Docker Compose reads them: `#` starts a comment, one pair of quotes is taken off."""
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise StackError(f"{path}, line {number}: expected NAME=value, found {line!r}")
        name, value = match.groups()
        if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        else:
            value = re.sub(r"\s+#.*", "", value)
        yield name, value


def known_names() -> set[str]:
    """Every setting in `.env.example`, set there or only described in a comment."""
    if not _EXAMPLE.exists():
        return set()
    return set(re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", _EXAMPLE.read_text(), re.MULTILINE))


def user_settings(path: Path) -> dict[str, str]:
    """What `path` sets, then what the environment sets among the known names; empty values count as not set."""
    chosen = dict(_assignments(path)) if path.is_file() else {}
    chosen |= {name: os.environ[name] for name in known_names() & os.environ.keys()}
    return {name: str(ROOT / value) if name in _FILES else value for name, value in chosen.items() if value}
