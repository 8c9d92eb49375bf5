"""The private stack that is to be disturbed: started by `deploy/native`, on ports and in a folder of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import create_engine
from telltale_shared.testing import Servers

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "deploy" / "native"
# The scripts of deploy/native find each other by their folder, as they do when one of them is run.
sys.path.insert(0, str(NATIVE))

from layout import Layout, StackError  # noqa: E402 - after the path
from offsets import OFFSET_FILE  # noqa: E402 - after the path
from processes import SERVICES  # noqa: E402 - after the path
from servers import rabbitmq_answers  # noqa: E402 - after the path
from status import families, health, memory  # noqa: E402 - after the path
from supervision import Supervisor  # noqa: E402 - after the path

PASSWORD = "Password123!"
ORDER_SECONDS = 60.0
Result = TypeVar("Result")
TOKEN_SECONDS = 240


class System:
    """A stack in a folder of its own, which is emptied first: where its parts are, and how to disturb them."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            StackError: there is something else in it than an earlier stack.
        """
        self.folder = folder
        if (folder / OFFSET_FILE).exists():
            self.stop()
            shutil.rmtree(folder)
        elif folder.exists() and any(folder.iterdir()):
            raise StackError(f"{folder} would be emptied, but holds no stack: choose another --run-dir")
        self._services = {process.name: process for process in SERVICES}
        self._token, self._token_until = "", 0.0
        self._layout = Layout.at(folder, "auto")
        self._layout.create()  # from now on its ports are its own
        self._supervisor = Supervisor(self._layout, [sys.executable])

    def start(self, via: Mapping[str, int], settings: Mapping[str, str]) -> None:
        """Start it, or make it up to date.

        Args:
            via: ``process/server`` → port where the process is to find the server.
            settings: as in `.env`.
        """
        self._stack("servers-up", settings=settings)
        links = [part for link, port in via.items() for part in ("--via", f"{link}={port}")]
        self._stack("up", "--group", "dev", *links, settings=settings)
        self.servers = Servers.read(self.folder)

    def migrate(self) -> None:
        """Run the migrations of this version, beside whatever services run."""
        self._stack("migrate")

    def stop(self) -> None:
        """Stop all of it; its folder stays for a look at the logs."""
        self._stack("down")

    def _stack(self, command: str, *options: str, settings: Mapping[str, str] | None = None) -> None:
        where = ("--run-dir", str(self.folder), "--port-offset", "auto", "--env-file", "/dev/null")
        result = subprocess.run(
            (sys.executable, str(NATIVE / "stack.py"), command, *where, *options),
            env=os.environ | dict(settings or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"stack.py {command} failed:\n{result.stdout}{result.stderr}")

    # --- where things are

    def server_port(self, link: str) -> int:
        """The port of the server that the ``process/server`` of a link names."""
        return self.port(link.partition("/")[2])

    @property
    def services(self) -> list[str]:
        """The name of every service."""
        return list(self._services)

    def port(self, name: str) -> int:
        """The port of a process."""
        return self._layout.port(name)

    def url(self, name: str) -> str:
        """The base URL of a service, without a slash at its end."""
        return f"http://127.0.0.1:{self.port(name)}"

    def amqp_url(self, port: int) -> str:
        """How to reach the broker at ``port``, with the password."""
        return f"amqp://telltale:{self.servers.amqp_password}@127.0.0.1:{port}/telltale"

    def engine(self) -> AsyncEngine:
        """The product's database, as somebody who may see everything."""
        return create_engine(
            f"{self.servers.mariadb_url}telltale", self.servers.mariadb_password, pool_size=5, statement_timeout=300
        )

    # --- disturbing it

    async def kill(self, name: str) -> None:
        """Kill a process (-9); supervisord starts it again by itself."""
        await self.signal(name, signal.SIGKILL)

    async def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a process, once it runs; returns its id."""
        while True:
            if pid := await self.pid(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
                    return pid
            await asyncio.sleep(0.1)

    async def pid(self, name: str) -> int:
        """The id of a process; 0 while it does not run."""
        return int((await self._processes())[name]["pid"])

    async def until_running(self, name: str) -> None:
        """Wait until supervisord counts a process as started: one that keeps dying sooner it gives up."""
        while (await self._processes())[name]["statename"] != "RUNNING":
            await asyncio.sleep(0.1)

    async def stop_process(self, name: str) -> None:
        """Stop a process, which stays stopped, and wait until it has ended."""
        await _persist(lambda: self._supervisor.stop([name]))

    async def start_process(self, name: str) -> None:
        """Start a stopped process."""
        await _persist(lambda: self._supervisor.start([name]))

    async def rabbitmqctl(self, *arguments: str) -> str:
        """Administrate the broker."""
        return await _persist(lambda: self.servers.run_rabbitmqctl(*arguments))

    async def waiting(self) -> int:
        """Deliveries that wait in the store queue, those that the writer holds included."""
        listed = await self.rabbitmqctl("list_queues", "-p", "telltale", "--no-table-headers", "name", "messages")
        return next(int(line.split()[1]) for line in listed.splitlines() if line.startswith("readings.store.0"))

    async def pause_generators(self, paused: bool) -> None:
        """Let the product's own generators hold still, or go on."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        async with httpx.AsyncClient(headers=headers, timeout=10) as http:
            for name in ("generator", "generator-host"):
                answer = await http.patch(f"{self.url(name)}/api/v1/generator", json={"paused": paused})
                answer.raise_for_status()

    async def token(self) -> str:
        """An access token of somebody who may post readings and control the generator."""
        if time.monotonic() > self._token_until:
            form = {"username": "user@example.com", "password": PASSWORD}
            async with httpx.AsyncClient(timeout=10) as http:
                answer = (await http.post(f"{self.url('auth')}/api/v1/auth/token", data=form)).raise_for_status()
            self._token, self._token_until = str(answer.json()["access_token"]), time.monotonic() + TOKEN_SECONDS
        return self._token

    async def stream_token(self) -> str:
        """A token for the gateway's WebSocket."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        async with httpx.AsyncClient(headers=headers, timeout=10) as http:
            answer = (await http.post(f"{self.url('auth')}/api/v1/auth/stream-token")).raise_for_status()
        return str(answer.json()["token"])

    # --- what it holds

    def footprints(self) -> dict[str, tuple[int, list[int]]]:
        """Per running process: bytes that it has allocated, and the process ids, its children included."""
        children = families()
        return {
            name: (memory(info["pid"], children).anonymous, _family(info["pid"], children))
            for name, info in self._supervisor.processes().items()
            if info["pid"]
        }

    async def broker_answers(self) -> bool:
        """Whether the broker greets a new connection."""
        return await asyncio.to_thread(rabbitmq_answers, self._layout)

    async def _processes(self) -> dict[str, dict[str, Any]]:
        return await asyncio.to_thread(self._supervisor.processes)

    # --- whether it is well

    async def ready(self, names: Sequence[str]) -> list[str]:
        """What those of ``names`` complain about that cannot do their work right now."""
        answers = await asyncio.gather(
            *(asyncio.to_thread(partial(health, self._layout, self._services[name])) for name in names)
        )
        return [f"{name}: {answer.detail}" for name, answer in zip(names, answers, strict=True) if not answer.ok]

    async def until_ready(self, names: Sequence[str], seconds: float) -> float:
        """Wait until all of ``names`` can do their work; returns when that was (monotonic seconds).

        Raises:
            TimeoutError: with what they complain about.
        """
        deadline = time.monotonic() + seconds
        while complaints := await self.ready(names):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready within {seconds:.0f} s: {'; '.join(complaints)}")
            await asyncio.sleep(0.1)
        return time.monotonic()


async def _persist(order: Callable[[], Result]) -> Result:
    """Give ``order`` again until it is obeyed: another fault may have its way first."""
    deadline = time.monotonic() + ORDER_SECONDS
    while True:
        try:
            return await asyncio.to_thread(order)
        except (RuntimeError, StackError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


def _family(pid: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    return [pid, *(one for child in children.get(pid, ()) for one in _family(child, children))]
