"""For tests of migrations: interrupting them after every statement, and telling whether two databases are the same."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from telltale_shared.testing import Access, Servers

_RUN = """
import sys
from alembic import command
from telltale_shared.testing_migrations import config_of
service, direction, revision = sys.argv[1:]
getattr(command, direction)(config_of(service), revision)
"""


class Interrupted(Exception):
    """A migration was ended in its middle."""


def migrate(service: str, access: Access, revision: str, *, direction: str = "upgrade") -> None:
    """Bring the database to ``revision``, as the one-shot step does, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", _RUN, service, direction, revision],
        env=os.environ | _settings(service, access),
        check=True,
        timeout=300,
    )


def upgrade_in_pieces(service: str, access: Access) -> int:
    """Run each migration of ``service`` ended after its first statement, after its second, … until it is through.

    Returns:
        how often one was interrupted.
    """
    config = config_of(service)
    revisions = reversed(list(ScriptDirectory.from_config(config).walk_revisions()))
    with _migrating(service, access):
        return sum(_in_pieces(config, revision.revision) for revision in revisions)


def upgrade(service: str, access: Access) -> None:
    """Run all migrations of ``service``, each once."""
    with _migrating(service, access):
        command.upgrade(config_of(service), "head")


def described(servers: Servers, access: Access) -> dict[str, str]:
    """The structure of every table of the database, and how many rows are in it."""
    database = access.url.rpartition("/")[2]
    query = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'"
    tables = servers.run_sql(query).split()[1:]
    return {
        table: servers.run_sql(f"SHOW CREATE TABLE {database}.{table}; SELECT COUNT(*) FROM {database}.{table}")
        for table in tables
    }


def config_of(service: str) -> Config:
    """Alembic's configuration for the migrations of ``service``."""
    config = Config()
    config.set_main_option("script_location", f"telltale_{service}:migrations")
    return config


@contextmanager
def _migrating(service: str, access: Access) -> Iterator[None]:
    with mock.patch.dict(os.environ, _settings(service, access)):
        yield


def _settings(service: str, access: Access) -> dict[str, str]:
    prefix = f"{service.upper()}_MIGRATION_DATABASE"
    return {f"{prefix}_URL": access.url, f"{prefix}_PASSWORD": access.password}


def _in_pieces(config: Config, revision: str) -> int:
    """Upgrade to ``revision``; how many statements that took: after each of them it was interrupted once."""
    for statements in itertools.count(1):
        with _interrupted_after(statements):
            try:
                command.upgrade(config, revision)
            except Interrupted:
                continue
        return statements - 1
    raise AssertionError("unreachable: a migration has an end")


@contextmanager
def _interrupted_after(statements: int) -> Iterator[None]:
    counted = itertools.count(1)

    def count(*_: object) -> None:
        if next(counted) == statements:
            raise Interrupted

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", count)
