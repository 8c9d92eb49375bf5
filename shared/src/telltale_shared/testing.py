"""pytest plugin: real servers, a fresh database and a fresh virtual host for a session, and polling to a deadline.

The servers are those of the folder in ``TELLTALE_TEST_SERVERS`` (written by ``deploy/native/stack.py servers-up``).
When that is not set, the first test that needs a server starts a private pair, which ends with the session.
"""

import asyncio
import inspect
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, overload

import pytest

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """Where a database or a virtual host is and how to log in. The URL holds no password."""

    url: str
    password: str


@dataclass(frozen=True)
class Servers:
    """A running MariaDB and RabbitMQ with an account that may do everything."""

    mariadb_url: str
    mariadb_password: str
    amqp_url: str
    amqp_password: str
    mariadb_client: tuple[str, ...]
    rabbitmqctl: tuple[str, ...]
    rabbitmqctl_environment: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Servers":
        """The servers described in ``folder``."""
        described = json.loads((folder / "servers.json").read_text())
        return cls(
            mariadb_url=described["mariadb_url"],
            mariadb_password=described["mariadb_password"],
            amqp_url=described["amqp_url"],
            amqp_password=described["amqp_password"],
            mariadb_client=tuple(described["mariadb_client"]),
            rabbitmqctl=tuple(described["rabbitmqctl"]),
            rabbitmqctl_environment=described["rabbitmqctl_environment"],
        )

    def run_sql(self, statements: str) -> str:
        """Run ``statements`` as root; return what the client printed."""
        return _run(self.mariadb_client, stdin=statements)

    def run_rabbitmqctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` with ``arguments``; return what it printed."""
        return _run((*self.rabbitmqctl, *arguments), environment=self.rabbitmqctl_environment)


def _run(command: tuple[str, ...], stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    variables = {**os.environ, **(environment or {})}
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=variables)
    if result.returncode:
        raise RuntimeError(f"{command[0]} failed: {result.stdout}{result.stderr}")
    return result.stdout


def _stack_script(start: Path) -> Path:
    for folder in (start, *start.parents):
        script = folder / "deploy" / "native" / "stack.py"
        if script.exists():
            return script
    raise RuntimeError("no deploy/native/stack.py above the tests: set TELLTALE_TEST_SERVERS to running servers")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """The servers that tests may use; private ones are started when the environment names none."""
    named = os.environ.get("TELLTALE_TEST_SERVERS")
    if named:
        yield Servers.read(Path(named))
        return
    script = _stack_script(pytestconfig.rootpath)
    with TemporaryDirectory(prefix="telltale-test-") as name:
        folder = Path(name) / "run"
        options = ("--run-dir", str(folder), "--port-offset", "auto")
        _run((sys.executable, str(script), "servers-up", *options))
        try:
            yield Servers.read(folder)
        finally:
            _run((sys.executable, str(script), "servers-down", *options))


@pytest.fixture(scope="session")
def new_database(servers: Servers) -> Iterator[Callable[[], Access]]:
    """A function that makes an empty database, with an account that may do everything; all are dropped at the end."""
    names: list[str] = []

    def make() -> Access:
        name = f"test_{secrets.token_hex(6)}"
        servers.run_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        names.append(name)
        return Access(f"{servers.mariadb_url}{name}", servers.mariadb_password)

    yield make
    servers.run_sql("".join(f"DROP DATABASE IF EXISTS {name};" for name in names))


@pytest.fixture(scope="session")
def database(new_database: Callable[[], Access]) -> Access:
    """One empty database for the session."""
    return new_database()


@pytest.fixture(scope="session")
def database_url(database: Access) -> str:
    """SQLAlchemy URL (``mariadb+asyncmy://user@host:port/name``) of the session's database, without the password."""
    return database.url


@pytest.fixture(scope="session")
def database_password(database: Access) -> str:
    """The password that goes with ``database_url``."""
    return database.password


@pytest.fixture(scope="session")
def new_broker(servers: Servers) -> Iterator[Callable[[], Access]]:
    """A function that makes an empty virtual host; all are deleted at the end."""
    names: list[str] = []

    def make() -> Access:
        name = f"test-{secrets.token_hex(6)}"
        servers.run_rabbitmqctl("add_vhost", name)
        names.append(name)
        servers.run_rabbitmqctl("set_permissions", "-p", name, "telltale", ".*", ".*", ".*")
        return Access(f"{servers.amqp_url}{name}", servers.amqp_password)

    yield make
    for name in names:
        servers.run_rabbitmqctl("delete_vhost", name)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Access]) -> Access:
    """One empty virtual host for the session."""
    return new_broker()


@pytest.fixture(scope="session")
def broker_url(broker: Access) -> str:
    """``amqp://user@host:port/vhost`` of the session's virtual host, without the password."""
    return broker.url


@pytest.fixture(scope="session")
def broker_password(broker: Access) -> str:
    """The password that goes with ``broker_url``."""
    return broker.password


@pytest.fixture
def free_port() -> int:
    """A loopback TCP port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], deadline: float = 60.0, *, interval: float = 0.02) -> T: ...


@overload
async def eventually(predicate: Callable[[], T], deadline: float = 60.0, *, interval: float = 0.02) -> T: ...


async def eventually(predicate: Callable[[], Any], deadline: float = 60.0, *, interval: float = 0.02) -> Any:
    """Call ``predicate`` until what it returns (or its awaitable gives) is true, and return that.

    Args:
        predicate: looked at again and again; an AssertionError from it counts as "not yet".
        deadline: seconds before giving up.
        interval: seconds between two looks.

    Raises:
        AssertionError: the deadline passed; the last value or the last complaint is named.
    """
    end = time.monotonic() + deadline
    while True:
        complaint: object
        try:
            result = predicate()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            complaint = result
        except AssertionError as error:
            complaint = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s; last seen: {complaint!r}")
        await asyncio.sleep(interval)


class _Asyncio:
    """anyio's own plugin offers every backend; this project runs on asyncio alone."""

    @pytest.fixture(scope="session")
    @staticmethod
    def anyio_backend() -> str:
        return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Register the backend after all installed plugins, so that it wins over anyio's own fixture."""
    config.pluginmanager.register(_Asyncio(), "telltale-asyncio")
