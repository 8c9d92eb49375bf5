"""How long each step of a start takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timing:
    """Prints each step as it begins, and at its end the time that it took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time what happens inside."""
        began = time.monotonic()
        print(f"  {title:<40}", end="", flush=True)
        try:
            yield
        except BaseException:
            print("failed", flush=True)
            raise
        print(f"{time.monotonic() - began:6.1f} s", flush=True)

    def total(self) -> None:
        """Print the time since the start."""
        print(f"  {'in all':<40}{time.monotonic() - self._start:6.1f} s", flush=True)
