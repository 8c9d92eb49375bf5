"""A supervisord of our own: its configuration written from `Program` values, its state read over its unix socket.

supervisord itself is a library of the virtual environment; talking to it needs only the standard library.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layout import Layout, StackError
from settings_file import known_names


def mark(layout: Layout) -> dict[str, str]:
    """What everything that belongs to a stack has in its environment, so that it can be found again."""
    return {"TELLTALE_RUN_DIR": str(layout.run)}


@dataclass(frozen=True)
class Program:
    """One process under supervisord."""

    name: str
    command: Sequence[str]
    folder: Path  # its working directory
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 500  # the lowest starts first and stops last
    stop_seconds: int = 30  # how long it may drain after SIGTERM before it is killed
    start_seconds: int = 2  # how long it must stay up to count as started


_START_ATTEMPTS = 1_000
"""What cannot start now may do so later. Each attempt comes a second later than the one before it."""
_ANSWER_SECONDS = 90
"""How long supervisord may take to answer: longer than any program may take to stop."""
_ENDED = ("STOPPED", "EXITED", "FATAL")


def _quoted(value: str) -> str:
    """`value` as one element of supervisord's `environment` or `command` option, which know no escapes."""
    quote = "'" if '"' in value else '"'
    if quote in value or re.search(r"\n| [;#]", value):
        raise StackError(f"supervisord cannot pass this setting on: {value!r}")
    return quote + value.replace("%", "%%") + quote


def _section(program: Program, layout: Layout) -> str:
    environment = ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items())
    log = str(layout.logs / f"{program.name}.log").replace("%", "%%")
    return f"""
[program:{program.name}]
command={" ".join(_quoted(part) for part in program.command)}
environment={environment}
directory={str(program.folder).replace("%", "%%")}
priority={program.priority}
autostart=false
autorestart=unexpected
exitcodes=0
startsecs={program.start_seconds}
startretries={_START_ATTEMPTS}
stopwaitsecs={program.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def write_configuration(layout: Layout, programs: Sequence[Program]) -> None:
    """Write supervisord's configuration."""
    run = str(layout.run).replace("%", "%%")
    user = "user=root\n" if os.getuid() == 0 else ""
    text = f"""[unix_http_server]
file={str(layout.supervisor_socket).replace("%", "%%")}
chmod=0700

[supervisord]
logfile={run}/logs/supervisord.log
pidfile={run}/supervisord.pid
childlogdir={run}/logs
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    text += "".join(_section(program, layout) for program in programs)
    path = layout.run / "supervisord.conf"
    path.touch(mode=0o600)
    path.write_text(text)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # what close() closes
        return connection


def _with_supervisor(interpreters: Sequence[Path | str]) -> str:
    for python in map(str, interpreters):
        probe = [python, "-c", "import supervisor.supervisord"]
        if Path(python).exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return python
    raise StackError("supervisor is not installed; `make up` installs it into .venv")


class Supervisor:
    """The supervisord of one stack, running or not."""

    def __init__(self, layout: Layout, interpreters: Sequence[Path | str]) -> None:
        """Take the first of `interpreters` that has supervisor installed, when it has to be started."""
        self._layout = layout
        self._interpreters = interpreters
        # Made anew for each call: a kept connection would outlive the daemon it was opened to.
        self._url = "http://localhost/RPC2"

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = _UnixTransport(str(self._layout.supervisor_socket))
        with xmlrpc.client.ServerProxy(self._url, transport=transport) as proxy:
            try:
                return getattr(proxy.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                raise StackError(f"supervisord refused: {fault.faultString}") from None

    def is_running(self) -> bool:
        """Whether this stack's supervisord answers, be it that it is just ending."""
        try:
            self._call("getState")
        except (OSError, http.client.HTTPException):
            return False
        except StackError:
            pass  # it is ending, and says so
        return True

    def ensure(self, programs: Sequence[Program]) -> None:
        """Start supervisord if it is not there, and make it know `programs` as they are now.

        A program whose description changed is stopped, so that it starts again with the new one; one that is
        no longer described is stopped and forgotten.
        """
        write_configuration(self._layout, programs)
        if not self.is_running():
            configuration = str(self._layout.run / "supervisord.conf")
            command = [
                _with_supervisor(self._interpreters),
                "-m",
                "supervisor.supervisord",
                "-c",
                configuration,
            ]
            # What it hands on to its programs: a setting of this call must not stay with those of the next.
            kept = {name: value for name, value in os.environ.items() if name not in known_names()}
            environment = kept | mark(self._layout)
            result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if result.returncode:
                raise StackError(f"supervisord did not start: {result.stdout}{result.stderr}")
            self._wait_until(self.is_running, 15, "supervisord does not answer")
        else:
            # It compares the file with what it runs, so that this makes up for an earlier call that was cut short.
            added, altered, removed = self._call("reloadConfig")[0]
            for name in (*removed, *altered):
                self._call("stopProcessGroup", name)
                self._call("removeProcessGroup", name)
            for name in (*added, *altered):
                self._call("addProcessGroup", name)

    def end_orphans(self) -> int:
        """End what a killed supervisord of this stack left running, by the mark it carries; how many there were."""
        orphans = self._marked()
        for signal_number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            for pid in self._marked():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            deadline = time.monotonic() + seconds
            while self._marked() and time.monotonic() < deadline:
                time.sleep(0.1)
        return len(orphans)

    def _marked(self) -> list[int]:
        wanted = "=".join(*mark(self._layout).items()).encode()
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if wanted in file.read_bytes().split(b"\0"):
                    found.append(int(file.parts[2]))
            except OSError:
                continue  # it ended meanwhile, or is somebody else's
        return found

    def processes(self) -> dict[str, dict[str, Any]]:
        """What supervisord knows about each program: `statename`, `pid`, `exitstatus` and more."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def start(self, names: Sequence[str]) -> None:
        """Ask for `names` to run, in this order, without waiting until they count as started."""
        states = self.processes()
        for name in names:
            if states[name]["statename"] not in ("RUNNING", "STARTING"):
                self._call("startProcess", name, False)

    def stop(self, names: Sequence[str]) -> None:
        """Stop `names` together and wait until all have ended."""
        states = self.processes()
        running = [name for name in names if name in states and states[name]["statename"] not in _ENDED]
        for name in running:
            self._call("stopProcess", name, False)
        self._wait_until(
            lambda: all(self.processes()[name]["statename"] in _ENDED for name in running),
            120,
            f"{', '.join(running)} did not stop",
        )

    def failed(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that gave up or are about to be tried again."""
        states = self.processes()
        return [name for name in names if states[name]["statename"] in ("BACKOFF", "EXITED", "FATAL")]

    def pid(self) -> int:
        """The process id of supervisord itself."""
        return int(self._call("getPID"))

    def shutdown(self) -> None:
        """End supervisord, which must have no running programs left, and wait until it is gone."""
        self._call("shutdown")
        self._wait_until(lambda: not self.is_running(), 60, "supervisord did not end")

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines that a program printed."""
        path = self._layout.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    @staticmethod
    def _wait_until(condition: Any, seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise StackError(f"{complaint} within {seconds:.0f} s")
            time.sleep(0.05)
