"""Choosing ports for a stack that takes any: what one stack has chosen, no other chooses, also before it listens."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import ports

OFFSETS = range(10_000, 18_000, 40)
OFFSET_FILE = "port-offset"
"""In the folder of each stack: what it added to its ports last."""


def remembered(run: Path) -> int | None:
    """The offset of the stack in the folder `run`, if it has one."""
    try:
        return int((run / OFFSET_FILE).read_text())
    except (OSError, ValueError):
        return None


def claim(run: Path, base_ports: Iterable[int]) -> int | None:
    """An offset for the stack in `run` with which all its ports are free, or None; it is remembered there.

    A claim holds for as long as the folder remembers it, whether the stack runs or not.
    """
    with _claims() as file:
        claims: dict[str, str] = json.loads(file.read() or "{}")
        held = {int(offset): folder for offset, folder in claims.items() if remembered(Path(folder)) == int(offset)}
        for offset in OFFSETS:
            if offset not in held and all(ports.is_free(base + offset) for base in base_ports):
                run.mkdir(mode=0o700, parents=True, exist_ok=True)
                (run / OFFSET_FILE).write_text(f"{offset}\n")
                file.seek(0)
                file.truncate()
                json.dump({**held, offset: str(run)}, file)
                return offset
    return None


@contextmanager
def _claims() -> Iterator[TextIO]:
    """The list of this user's claims, which nobody else reads or writes meanwhile."""
    path = Path(tempfile.gettempdir()) / f"telltale-{os.getuid()}-ports"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
