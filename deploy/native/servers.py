"""The private MariaDB and RabbitMQ of one stack, on loopback ports and in folders of their own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from layout import ROOT, Layout, StackError
from supervision import Program, Supervisor, mark

SERVERS = ("epmd", "mariadb", "rabbitmq")

_RABBITMQ_SCRIPTS = Path("/usr/lib/rabbitmq/bin")  # the ones in /usr/sbin insist on another user
_NODE = "telltale@localhost"
_TEST_ACCOUNT = "telltale_test"
_ACCOUNTS = ROOT / "deploy" / "mariadb" / "accounts.sh"
_ALLOCATION = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1048576"}
"""For MariaDB's memory (glibc): where threads have arenas of their own, each keeps the most that a query ever took; and
what a query sorts in (2 MiB) goes back when it ends, which in an arena anything allocated meanwhile would prevent."""


def missing_packages() -> list[str]:
    """Debian packages that the servers need and that this machine has not."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    wanted = {
        "mariadb-server-core": shutil.which("mariadbd", path=path),
        "mariadb-client-core": shutil.which("mariadb", path=path),
        "rabbitmq-server": (_RABBITMQ_SCRIPTS / "rabbitmq-server").exists(),
    }
    return [package for package, found in wanted.items() if not found]


def missing_backup_packages() -> list[str]:
    """Debian packages that backups need beside those of the servers."""
    return [] if shutil.which("mariadb-dump") else ["mariadb-client"]


def which(program: str) -> str:
    """Where ``program`` is."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise StackError(f"{program} is not installed")
    return found


def _user() -> str:
    """Who runs this, whatever the environment says: MariaDB asks the kernel who is at its socket."""
    return pwd.getpwuid(os.geteuid()).pw_name


def read_secret(layout: Layout, owner: str, name: str) -> str:
    """The secret `name` as `owner` sees it."""
    return (layout.secrets / owner / name).read_text().strip()


# --- MariaDB ---------------------------------------------------------------------------------------------------------


def create_database_folder(layout: Layout) -> None:
    """Make MariaDB's data folder on the first start. Only its owner can log in as root, over the socket."""
    data = layout.mariadb / "data"
    if (data / "mysql").exists():
        return
    # Made beside and renamed: a folder left half made by an interrupted start would never become a database.
    partial = data.with_suffix(".partial")
    for path in (ROOT, partial):
        if any(character.isspace() for character in str(path)):  # the script does not quote
            raise StackError(f"mariadb-install-db cannot deal with the blank in {path}; clone into a path without one")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        which("mariadb-install-db"),
        f"--defaults-file={ROOT / 'deploy' / 'mariadb' / 'telltale.cnf'}",
        f"--datadir={partial}",
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={_user()}",
        "--skip-test-db",
    ]
    if os.getuid() == 0:
        command.append("--user=root")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"mariadb-install-db failed:\n{result.stdout}{result.stderr}")
    partial.rename(data)


def buffer_pool(settings: Mapping[str, str]) -> str:
    """Memory for the database's pages: as chosen, or a quarter of the machine's."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return settings.get("MARIADB_BUFFER_POOL", f"{memory // 4 // 2**20}M")


def mariadb_program(layout: Layout, settings: Mapping[str, str]) -> Program:
    """The private MariaDB, with what `settings` says about it."""
    command = [
        which("mariadbd"),
        f"--defaults-file={ROOT / 'deploy' / 'mariadb' / 'telltale.cnf'}",
        f"--datadir={layout.mariadb / 'data'}",
        f"--socket={layout.mariadb_socket}",
        f"--pid-file={layout.mariadb / 'mariadbd.pid'}",
        f"--port={layout.port('mariadb')}",
        "--bind-address=127.0.0.1",
        f"--innodb-buffer-pool-size={buffer_pool(settings)}",
    ]
    if os.getuid() == 0:
        command.append("--user=root")
    return Program("mariadb", command, layout.mariadb, _ALLOCATION, priority=20, stop_seconds=60, start_seconds=0)


def mariadb_client(layout: Layout) -> list[str]:
    """The command-line client, logged in as root over the private socket."""
    return [
        which("mariadb"),
        "--no-defaults",
        f"--socket={layout.mariadb_socket}",
        f"--user={_user()}",
    ]


def mariadb_answers(layout: Layout) -> bool:
    """Whether MariaDB takes a connection over its socket."""
    command = [*mariadb_client(layout), "--connect-timeout=2", "--execute=SELECT 1"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_sql(layout: Layout, statements: str) -> None:
    """Run `statements` as root."""
    result = subprocess.run(mariadb_client(layout), input=statements, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"MariaDB refused: {result.stderr}")


def apply_accounts(layout: Layout) -> None:
    """Create or correct the databases and the services' accounts; safe to repeat."""
    command = ["sh", str(_ACCOUNTS), str(layout.secrets / "mariadb"), *mariadb_client(layout)[1:]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"the database accounts could not be made:\n{result.stdout}{result.stderr}")


# --- RabbitMQ --------------------------------------------------------------------------------------------------------


def _rabbitmq_environment(layout: Layout) -> dict[str, str]:
    folder = layout.rabbitmq
    return {
        "HOME": str(folder / "home"),  # the Erlang cookie lives there
        "RABBITMQ_NODENAME": _NODE,
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODE_PORT": str(layout.port("rabbitmq")),
        "RABBITMQ_DIST_PORT": str(layout.port("rabbitmq-distribution")),
        "ERL_EPMD_PORT": str(layout.port("epmd")),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # The script then becomes the Erlang process itself, which takes SIGTERM as an orderly stop.
        "RUNNING_UNDER_SYSTEMD": "1",
        "LANG": "C.UTF-8",
    }


def create_broker_folder(layout: Layout) -> None:
    """Write RabbitMQ's configuration. The account in it is made by the broker's own first start."""
    folder = layout.rabbitmq
    for name in ("home", "data", "log", "generated"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    shared = (ROOT / "deploy" / "rabbitmq" / "telltale.conf").read_text()
    configuration = folder / "rabbitmq.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"{shared}"
        f"listeners.tcp.1 = 127.0.0.1:{layout.port('rabbitmq')}\n"
        "default_user = telltale\n"
        f"default_pass = {read_secret(layout, 'rabbitmq', 'AMQP_PASSWORD')}\n"
        "default_vhost = telltale\n"
    )
    (folder / "enabled_plugins").write_text("[].\n")


def epmd_program(layout: Layout) -> Program:
    """Erlang's port mapper in the foreground, so that it ends with the stack instead of outliving it."""
    command = [which("epmd"), "-address", "127.0.0.1", "-port", str(layout.port("epmd"))]
    return Program("epmd", command, layout.rabbitmq, priority=10, start_seconds=0, stop_seconds=5)


def rabbitmq_program(layout: Layout) -> Program:
    """The private RabbitMQ."""
    command = [str(_RABBITMQ_SCRIPTS / "rabbitmq-server")]
    return Program(
        "rabbitmq",
        command,
        layout.rabbitmq,
        _rabbitmq_environment(layout),
        priority=20,
        stop_seconds=60,
        start_seconds=0,
    )


def rabbitmq_answers(layout: Layout) -> bool:
    """Whether the broker speaks AMQP: it sends Connection.Start (a method frame) to whoever says hello."""
    try:
        with socket.create_connection(("127.0.0.1", layout.port("rabbitmq")), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def write_test_description(layout: Layout) -> None:
    """Write `servers.json`: all that tests need to use the servers and to administrate them from a shell."""
    run_sql(
        layout,
        f"CREATE USER IF NOT EXISTS {_TEST_ACCOUNT}; ALTER USER {_TEST_ACCOUNT} "
        f"IDENTIFIED BY '{read_secret(layout, 'mariadb', 'MARIADB_ROOT_PASSWORD')}';"
        f"GRANT ALL PRIVILEGES ON *.* TO {_TEST_ACCOUNT} WITH GRANT OPTION;",
    )
    description = {
        "mariadb_url": f"mariadb+asyncmy://{_TEST_ACCOUNT}@127.0.0.1:{layout.port('mariadb')}/",
        "mariadb_password": read_secret(layout, "mariadb", "MARIADB_ROOT_PASSWORD"),
        "mariadb_client": mariadb_client(layout),
        "amqp_url": f"amqp://telltale@127.0.0.1:{layout.port('rabbitmq')}/",
        "amqp_password": read_secret(layout, "rabbitmq", "AMQP_PASSWORD"),
        "rabbitmqctl": [str(_RABBITMQ_SCRIPTS / "rabbitmqctl"), "--quiet"],
        "rabbitmqctl_environment": _rabbitmq_environment(layout) | mark(layout),
    }
    path = layout.run / "servers.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(description, indent=2) + "\n")


# --- both ------------------------------------------------------------------------------------------------------------


def programs(layout: Layout, settings: Mapping[str, str]) -> list[Program]:
    """What supervisord runs for the two servers, with what the user chose."""
    return [epmd_program(layout), mariadb_program(layout, settings), rabbitmq_program(layout)]


def prepare(layout: Layout) -> None:
    """Make the servers' folders and configuration; the secrets must exist."""
    create_database_folder(layout)
    create_broker_folder(layout)


def wait_until_ready(layout: Layout, supervisor: Supervisor, seconds: float = 60) -> None:
    """Return when both servers answer; raise StackError with the server's own words when one gave up."""
    answers: dict[str, Callable[[Layout], bool]] = {"mariadb": mariadb_answers, "rabbitmq": rabbitmq_answers}
    deadline = time.monotonic() + seconds
    for name, is_ready in answers.items():
        while not is_ready(layout):
            if supervisor.failed(SERVERS) or time.monotonic() > deadline:
                raise StackError(f"{name} did not start; its last words:\n{supervisor.tail(name)}")
            time.sleep(0.1)
