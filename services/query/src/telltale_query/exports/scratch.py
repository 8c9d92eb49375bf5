"""Folders for workbooks in the making, and what becomes of those whose process was killed."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "telltale-export-"
YOUNG_SECONDS = 60.0
"""A folder that is younger may not have been locked yet by whoever has just made it."""


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder that is locked for as long as it is used, and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        # The system takes the lock away from a process that ends, however it ends.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield folder
        finally:
            os.close(descriptor)


def remove_abandoned() -> list[str]:
    """Remove our folders that no process uses any more. Returns their names."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_abandoned(folder):
                shutil.rmtree(folder)
                removed.append(folder.name)
    return removed


def _is_abandoned(folder: Path) -> bool:
    """Whether it is. Raises OSError where it is somebody's, or no folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid() or time.time() - found.st_mtime < YOUNG_SECONDS:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    finally:
        os.close(descriptor)
