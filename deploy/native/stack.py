"""Starts, stops and shows a whole Telltale stack without Docker."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import servers
from layout import ROOT, Layout, StackError
from supervision import Supervisor, supervisor_python


def servers_up(layout: Layout) -> None:
    """Start the two servers alone, with a database account that may do everything: for tests."""
    layout.create()
    subprocess.run([sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(layout.secrets)], check=True)
    servers.prepare(layout)
    supervisor = _supervisor(layout)
    supervisor.ensure(servers.programs(layout))
    supervisor.start(servers.SERVERS)
    servers.wait_until_ready(layout, supervisor)
    path = layout.run / "servers.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(servers.test_description(layout), indent=2) + "\n")


def servers_down(layout: Layout) -> None:
    """Stop everything that runs under this stack's supervisord, and supervisord itself."""
    supervisor = _supervisor(layout)
    if not supervisor.is_running():
        return
    names = list(supervisor.processes())
    supervisor.stop([name for name in names if name not in servers.SERVERS])
    supervisor.stop([name for name in names if name in servers.SERVERS and name != "epmd"])
    supervisor.stop(["epmd"])
    supervisor.shutdown()


def _supervisor(layout: Layout) -> Supervisor:
    return Supervisor(layout, supervisor_python([ROOT / ".venv" / "bin" / "python", sys.executable]))


def main() -> int:
    """Run one command line; 0 when all went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["servers-up", "servers-down"])
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run", help="folder of everything it writes")
    parser.add_argument("--port-offset", type=int, default=0, help="added to every port")
    arguments = parser.parse_args()
    layout = Layout(arguments.run_dir.resolve(), arguments.port_offset)
    commands = {"servers-up": servers_up, "servers-down": servers_down}
    try:
        commands[arguments.command](layout)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
