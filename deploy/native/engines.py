"""How the command-line tools of MariaDB are reached: natively over the private socket, or inside its container."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import servers
from layout import ROOT, Layout, StackError

_IN_CONTAINER = 'MYSQL_PWD="$(cat /secrets/MARIADB_ROOT_PASSWORD)" exec "$@"'


@dataclass(frozen=True)
class Database:
    """The database server of one stack, with an account that may do everything."""

    client: Sequence[str]
    """The command-line client."""
    dump: Sequence[str]
    """``mariadb-dump``."""
    prefix: str = "telltale"
    """The name of the main database; the others are named after it."""

    @classmethod
    def native(cls, layout: Layout) -> Database:
        """The private server of a stack without Docker; it must run."""
        client = servers.mariadb_client(layout)
        return cls(client, [servers.which("mariadb-dump"), *client[1:]])

    @classmethod
    def in_docker(cls) -> Database:
        """The server in the container of the stack that docker-compose.yml describes; it must run."""
        inside = ["docker", "compose", "exec", "-T", "mariadb", "sh", "-c", _IN_CONTAINER, "sh"]
        return cls([*inside, "mariadb", "--user=root"], [*inside, "mariadb-dump", "--user=root"])

    def query(self, statement: str) -> list[list[str]]:
        """The rows of ``statement`` as texts."""
        command = [*self.client, "--batch", "--skip-column-names", f"--execute={statement}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if result.returncode:
            raise StackError(f"MariaDB refused: {result.stderr.strip()}")
        return [line.split("\t") for line in result.stdout.splitlines()]

    def load(self, statements: IO[bytes]) -> None:
        """Run what ``statements`` holds, whatever its length."""
        command = [*self.client, "--max-allowed-packet=64M"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            # A client that has ended says itself why, below.
            with suppress(BrokenPipeError):
                while block := statements.read(1 << 20):
                    process.stdin.write(block)
            with suppress(BrokenPipeError):
                process.stdin.close()
            complaint = process.stderr.read().decode(errors="replace")
        if process.returncode:
            raise StackError(f"MariaDB refused: {complaint.strip()[-1_000:]}")
