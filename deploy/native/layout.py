"""Where one stack keeps its files and which ports it uses."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import offsets

ROOT = Path(__file__).resolve().parents[2]

#: Base port of everything that listens; a stack adds its own offset. With the largest that `auto` takes all stay
#: below 32768, where the ephemeral range starts.
PORTS = {
    "query": 8000,
    "auth": 8001,
    "gateway": 8002,
    "generator": 8003,
    "writer": 8004,
    "detector": 8005,
    "alerts": 8006,
    "jobs": 8007,
    "generator-host": 8013,
    "ui": 8501,
    "mariadb": 13306,
    "rabbitmq": 13672,
    "rabbitmq-distribution": 13673,
    "epmd": 13674,
}

_LONGEST_SOCKET_FOLDER = 80  # a unix socket's whole path may have 107 bytes


class StackError(Exception):
    """Something that the user can act on; its text is printed without a traceback."""


@dataclass(frozen=True)
class Layout:
    """Folders and ports of one stack: `run` holds everything that it writes, `offset` is added to every base port."""

    run: Path
    offset: int = 0
    via: Mapping[str, int] = field(default_factory=dict)  # `process/server`: the port where the one finds the other

    @classmethod
    def at(cls, run: Path, offset: str | None) -> Layout:
        """The layout in the folder `run`.

        `offset` is a number; `auto` for the one that was used there last, or else any whose ports are all free; None
        for the one that was used there last, or else 0.
        """
        if offset not in (None, "auto"):
            return cls(run, int(offset))
        chosen = offsets.remembered(run)
        if chosen is None and offset == "auto":
            chosen = offsets.claim(run, PORTS.values())
            if chosen is None:
                raise StackError("no free ports between 18000 and 32000")
        return cls(run, chosen or 0)

    def port(self, name: str) -> int:
        """The port of the process `name` in this stack."""
        return PORTS[name] + self.offset

    def ports_seen_by(self, process: str) -> dict[str, int]:
        """The port of everything as `process` is told it: another one where something stands between."""
        return {name: self.via.get(f"{process}/{name}", self.port(name)) for name in PORTS}

    @property
    def secrets(self) -> Path:
        """One folder per service, one file per secret."""
        return self.run / "secrets"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.run / "logs"

    @property
    def data(self) -> Path:
        """What the services keep between two starts: spools and checkpoints, one folder per process."""
        return self.run / "data"

    @property
    def mariadb(self) -> Path:
        """The private MariaDB's folder."""
        return self.run / "mariadb"

    @property
    def rabbitmq(self) -> Path:
        """The private RabbitMQ's folder."""
        return self.run / "rabbitmq"

    @property
    def sockets(self) -> Path:
        """Folder of the unix sockets: the run folder itself, unless its path is too long for a socket."""
        if len(os.fsencode(self.run)) <= _LONGEST_SOCKET_FOLDER:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.run)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"telltale-{os.getuid()}-{digest}"

    @property
    def mariadb_socket(self) -> Path:
        """Where the private MariaDB's owner logs in without a password."""
        return self.sockets / "mariadb.sock"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord takes orders."""
        return self.sockets / "supervisor.sock"

    def create(self) -> None:
        """Make the folders, readable by their owner only."""
        folders = (self.run, self.sockets, self.secrets, self.logs, self.data, self.mariadb, self.rabbitmq)
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.stat().st_uid != os.getuid():
            raise StackError(f"{self.sockets} belongs to another user: move it away, or choose another --run-dir")
        self.sockets.chmod(0o700)
        (self.run / offsets.OFFSET_FILE).write_text(f"{self.offset}\n")
