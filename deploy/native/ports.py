"""Which ports are free, and who has the ones that are not."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from pathlib import Path

_LISTENING = "0A"  # the state column of /proc/net/tcp


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes


def holder(port: int) -> str:
    """Who listens on `port`: "name (pid n)", or "another user's process" when that cannot be seen."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptor in _descriptors():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if target in wanted:
            pid = descriptor.parts[2]
            return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
    return "another user's process"


def _descriptors() -> Iterable[Path]:
    for process in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", process.name):
            try:
                yield from (process / "fd").iterdir()
            except OSError:
                continue
