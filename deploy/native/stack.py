"""Starts, stops and shows a whole Telltale stack without Docker: private servers, all services and the UI.

Needs nothing but Python 3.11 and the system's package manager; safe to repeat. Everything is written below the run
folder, and everything listens on loopback ports of its own, so several stacks can run side by side.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import environment
import keeping
import offsets
import ports
import servers
import status
from engines import Database
from layout import PORTS, ROOT, Layout, StackError
from processes import COMMON, DEFAULTS, MIGRATIONS, SERVICES, Process
from settings_file import user_settings
from supervision import Program, Supervisor
from timing import Timing

_HEALTHY_SECONDS = 180


# --- from the description to what runs -------------------------------------------------------------------------------


def _environment(layout: Layout, process: Process, user: Mapping[str, str]) -> dict[str, str]:
    values = {name: str(port) for name, port in layout.ports_seen_by(process.name).items()}
    values["data"] = str(layout.data / process.name)
    fixed = {name: value.format_map(values) for name, value in (COMMON | dict(process.environment)).items()}
    defaults = {name: value.format_map(values) for name, value in (DEFAULTS | dict(process.defaults)).items()}
    secrets = layout.secrets / (process.secrets or process.name)
    # A secret chosen by the user is in the files of those who need it, and in nobody's environment.
    secret_names = {path.name for path in layout.secrets.glob("*/*")}
    chosen = {name: value for name, value in user.items() if name not in secret_names}
    own = {"SECRETS_DIR": str(secrets), "PYTHONUNBUFFERED": "1"}
    # Read by nobody: new code or secrets make a new description, and so a restart by the next `make up`.
    own |= {"TELLTALE_CODE": environment.code_digest(process.folder), "TELLTALE_SECRETS": _changed_at(secrets)}
    return defaults | chosen | fixed | own


def _changed_at(folder: Path) -> str:
    """When the newest file of `folder` was written, and how many there are: a digest would tell of what is in them."""
    written = [path.stat().st_mtime_ns for path in folder.glob("*")]
    return f"{max(written, default=0)}/{len(written)}"


def _service_programs(layout: Layout, user: Mapping[str, str]) -> list[Program]:
    programs = []
    for process in SERVICES:
        (layout.data / process.name).mkdir(mode=0o700, exist_ok=True)
        (layout.secrets / (process.secrets or process.name)).mkdir(mode=0o700, exist_ok=True)
        command = [str(environment.PYTHON), "-m", process.module]
        programs.append(Program(process.name, command, ROOT / process.folder, _environment(layout, process, user)))
    return programs


# --- steps -----------------------------------------------------------------------------------------------------------


def _install(group: str) -> None:
    missing = servers.missing_packages()
    if group == "dev":
        missing += environment.missing_test_packages()
    environment.check_may_install(missing)
    environment.install_packages(environment.missing_python_packages())
    with ThreadPoolExecutor() as pool:
        # Downloads of two package managers: side by side they take as long as the slower one.
        system = pool.submit(environment.install_packages, missing)
        python = pool.submit(environment.install_python_packages, group)
        system.result()
        python.result()


def _check_ports(layout: Layout, supervisor: Supervisor, names: Collection[str]) -> None:
    running = supervisor.processes() if supervisor.is_running() else {}
    ours = {name for name, info in running.items() if info["pid"]}
    if "rabbitmq" in ours:
        ours.add("rabbitmq-distribution")
    taken = [name for name in names if name not in ours and not ports.is_free(layout.port(name))]
    if taken:
        lines = [f"port {layout.port(name)} ({name}) is taken by {ports.holder(layout.port(name))}" for name in taken]
        raise StackError("\n       ".join([*lines, "End it, or start this stack elsewhere: make up PORT_OFFSET=100"]))


def _make_secrets(layout: Layout, user: Mapping[str, str]) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(layout.secrets)]
    made = subprocess.run(command, check=False, env=os.environ | dict(user), capture_output=True, text=True)
    if made.returncode:
        raise StackError(made.stderr.strip())


def _migrate(layout: Layout, user: Mapping[str, str]) -> None:
    servers.apply_accounts(layout)

    def run(process: Process) -> None:
        command = [str(environment.PYTHON), "-m", process.module]
        variables = os.environ | _environment(layout, process, user)
        result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if result.returncode:
            raise StackError(f"{process.name} failed:\n{result.stdout}{result.stderr}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, MIGRATIONS))


def _wait_until_healthy(layout: Layout, supervisor: Supervisor) -> None:
    waiting = {process.name: process for process in SERVICES}
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while waiting:
        answers = {name: status.health(layout, process) for name, process in waiting.items()}
        waiting = {name: waiting[name] for name, answer in answers.items() if not answer.ok}
        failed = supervisor.failed(list(waiting))
        if failed:
            supervisor.stop(failed)
            words = "\n".join(f"--- {name}\n{supervisor.tail(name)}" for name in failed)
            raise StackError(f"{', '.join(failed)} did not start; last words:\n{words}")
        if waiting and time.monotonic() > deadline:
            lines = [f"{name}: {answers[name].detail}" for name in waiting]
            raise StackError("not healthy:\n       " + "\n       ".join(lines))
        time.sleep(0.1)


def _supervisor(layout: Layout) -> Supervisor:
    return Supervisor(layout, [environment.PYTHON, sys.executable])


# --- commands --------------------------------------------------------------------------------------------------------


def up(layout: Layout, options: argparse.Namespace) -> int:
    """Install what is missing, start everything, return when all of it is healthy."""
    timing = Timing()
    user = user_settings(options.env_file)
    print("Starting Telltale")
    with timing.step("system packages, Python packages"):
        _install(options.group)
    supervisor = _supervisor(layout)
    if not supervisor.is_running():
        supervisor.end_orphans()
    elif offsets.remembered(layout.run) != layout.offset:
        raise StackError("this stack runs on other ports; make down ends it, then it can start on these")
    layout.create()
    _make_secrets(layout, user)
    _check_ports(layout, supervisor, PORTS)
    # Beside what runs; the next step stops what is to be replaced.
    migrated = servers.mariadb_answers(layout)
    if migrated:
        with timing.step("database accounts and migrations"):
            _migrate(layout, user)
    with timing.step("private MariaDB and RabbitMQ"):
        _start_servers(layout, supervisor, user, _service_programs(layout, user))
    if not migrated:
        with timing.step("database accounts and migrations"):
            _migrate(layout, user)
    with timing.step("services and UI healthy"):
        supervisor.start([process.name for process in SERVICES])
        _wait_until_healthy(layout, supervisor)
    timing.total()
    print_addresses(layout, user)
    return 0


def _start_servers(layout: Layout, supervisor: Supervisor, user: Mapping[str, str], services: list[Program]) -> None:
    servers.prepare(layout)
    supervisor.ensure([*servers.programs(layout, user), *services])
    supervisor.start(servers.SERVERS)
    servers.wait_until_ready(layout, supervisor)


def print_addresses(layout: Layout, user: Mapping[str, str]) -> None:
    """Print where everything is and how to get in."""
    here = "http://127.0.0.1"
    print(f"\n  Dashboard    {here}:{layout.port('ui')}")
    for name in ("query", "auth", "alerts", "generator"):
        print(f"  {name:<12} {here}:{layout.port(name)}/docs")
    print(f"  gateway      ws://127.0.0.1:{layout.port('gateway')}/api/v1/stream")
    if (DEFAULTS | dict(user))["DEMO_ACCOUNTS"].lower() in ("true", "1", "yes", "on"):
        print("\n  Demo accounts: admin@example.com, user@example.com, viewer@example.com; password Password123!")
    print("\n  make status, make logs, make down", flush=True)


def install(_layout: Layout, options: argparse.Namespace) -> int:
    """Install what is missing, and start nothing."""
    _install(options.group)
    return 0


def addresses(layout: Layout, options: argparse.Namespace) -> int:
    """Print where everything is, whichever way it runs."""
    print_addresses(layout, user_settings(options.env_file))
    return 0


def servers_up(layout: Layout, options: argparse.Namespace) -> int:
    """Start the two servers alone, with a database account that may do everything: for tests."""
    layout.create()
    _make_secrets(layout, {})
    supervisor = _supervisor(layout)
    if not supervisor.is_running():
        _check_ports(layout, supervisor, [*servers.SERVERS, "rabbitmq-distribution"])
        _start_servers(layout, supervisor, user_settings(options.env_file), [])
    servers.write_test_description(layout)
    return 0


def down(layout: Layout, _options: argparse.Namespace) -> int:
    """Stop the services, then the servers, then supervisord; nothing of the stack runs afterwards."""
    supervisor = _supervisor(layout)
    if not supervisor.is_running():
        ended = supervisor.end_orphans()
        print(f"ended what supervisord left behind: {ended} processes" if ended else "nothing is running")
        return 0
    supervisor.stop([name for name in supervisor.processes() if name not in servers.SERVERS])
    supervisor.stop([name for name in servers.SERVERS if name != "epmd"])
    supervisor.stop(["epmd"])
    supervisor.shutdown()
    supervisor.end_orphans()  # rabbitmqctl starts an epmd where it finds none
    print("everything is stopped; data and secrets stay in", layout.run)
    return 0


def migrate(layout: Layout, options: argparse.Namespace) -> int:
    """Bring the databases of a running stack to the newest schema, beside its services."""
    user = user_settings(options.env_file)
    _make_secrets(layout, user)
    _migrate(layout, user)
    return 0


def start(layout: Layout, options: argparse.Namespace) -> int:
    """Start the named processes of a running stack."""
    _supervisor(layout).start(options.names)
    return 0


def stop(layout: Layout, options: argparse.Namespace) -> int:
    """Stop the named processes of a running stack and wait until they have ended."""
    _supervisor(layout).stop(options.names)
    return 0


def kill(layout: Layout, options: argparse.Namespace) -> int:
    """Kill the named processes (-9), to see them come back: supervisord starts them again."""
    for name in options.names:
        os.kill(_supervisor(layout).processes()[name]["pid"], signal.SIGKILL)
    return 0


def show_status(layout: Layout, _options: argparse.Namespace) -> int:
    """Print a row per process; 1 when something is not as it should be."""
    supervisor = _supervisor(layout)
    if not supervisor.is_running():
        print("nothing is running; make up starts it")
        return 1
    return 0 if status.print_table(layout, supervisor) else 1


def logs(layout: Layout, options: argparse.Namespace) -> int:
    """Follow the logs of the named processes, or of all of them, until interrupted."""
    names = options.names or [path.stem for path in sorted(layout.logs.glob("*.log"))]
    files = [str(layout.logs / f"{name}.log") for name in names]
    if not files:
        raise StackError("there are no logs yet; make up starts the stack")
    os.execvp("tail", ["tail", "-n", "40", "-F", *files])


def rebuild(layout: Layout, options: argparse.Namespace) -> int:
    """Make rollups again from the records, as the writer would reach them; the names are the command's own options."""
    return _run_as("writer", "telltale_writer.rebuild", layout, options)


def admin(layout: Layout, options: argparse.Namespace) -> int:
    """Make whose address is named an administrator; the password of a new account is asked for."""
    return _run_as("auth", "telltale_auth.create_admin", layout, options)


def _run_as(service: str, module: str, layout: Layout, options: argparse.Namespace) -> int:
    """Run a command with what `service` may see and reach."""
    process = next(process for process in SERVICES if process.name == service)
    variables = os.environ | _environment(layout, process, user_settings(options.env_file))
    command = [str(environment.PYTHON), "-m", module, *options.names]
    return subprocess.run(command, env=variables, check=False).returncode


def backup(layout: Layout, options: argparse.Namespace) -> int:
    """Write every database of a running stack into one file: the name given, or one made of the time."""
    path = Path(options.names[0]).resolve() if options.names else None
    if options.runtime == "docker":
        return keeping.make_backup(Database.in_docker(), path)
    if not servers.mariadb_answers(layout):
        raise StackError("MariaDB does not run; make up starts it")
    environment.install_packages(servers.missing_backup_packages())
    return keeping.make_backup(Database.native(layout), path)


def restore(layout: Layout, options: argparse.Namespace) -> int:
    """Bring the backup that is named into this stack, whose services stand still afterwards."""
    if not options.names:
        raise StackError("name the backup: make restore FILE=backups/…")
    path = Path(options.names[0]).resolve()
    if options.runtime == "docker":
        return keeping.restore(Database.in_docker(), path, keeping.docker_steps(), replace=options.replace)
    environment.install_packages(servers.missing_backup_packages())
    user = user_settings(options.env_file)
    layout.create()
    _make_secrets(layout, user)
    supervisor = _supervisor(layout)

    def start_servers() -> None:
        if not servers.mariadb_answers(layout):
            _check_ports(layout, supervisor, [*servers.SERVERS, "rabbitmq-distribution"])
            _start_servers(layout, supervisor, user, _service_programs(layout, user))

    def stop_services() -> None:
        supervisor.stop([name for name in supervisor.processes() if name not in servers.SERVERS])

    steps = keeping.Steps(start_servers, stop_services, lambda: _migrate(layout, user))
    return keeping.restore(Database.native(layout), path, steps, replace=options.replace)


_COMMANDS: dict[str, Callable[[Layout, argparse.Namespace], int]] = {
    "up": up,
    "down": down,
    "migrate": migrate,
    "start": start,
    "stop": stop,
    "kill": kill,
    "status": show_status,
    "logs": logs,
    "rebuild": rebuild,
    "admin": admin,
    "backup": backup,
    "restore": restore,
    "servers-up": servers_up,
    "servers-down": down,
    "addresses": addresses,
    "install": install,
}


def _link(text: str) -> tuple[str, int]:
    link, _, port = text.partition("=")
    return link, int(port)


def main() -> int:
    """Run one command line; 0 when all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("names", nargs="*", help="which processes (logs, start, stop, kill)")
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run", help="folder of everything it writes")
    parser.add_argument("--port-offset", help="added to every port, or 'auto'; the last one is remembered")
    parser.add_argument("--env-file", type=Path, default=ROOT / ".env", help="settings; see .env.example")
    parser.add_argument(
        "--via",
        action="append",
        default=[],
        type=_link,
        metavar="PROCESS/SERVER=PORT",
        help="where a process finds a server when something stands between them, as a test's proxy does",
    )
    parser.add_argument("--runtime", default="native", choices=["native", "docker"], help="where the stack runs")
    parser.add_argument("--replace", action="store_true", help="restore: also where the stack holds data, which goes")
    parser.add_argument("--group", default="native", choices=["native", "dev"], help="dev: with what tests need")
    options = parser.parse_args()
    try:
        layout = replace(Layout.at(options.run_dir.resolve(), options.port_offset), via=dict(options.via))
        return _COMMANDS[options.command](layout, options)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
