"""MariaDB: engines, transactions that are retried whole, and the check of the schema's version."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

log = structlog.get_logger("telltale.database")

TRANSIENT_ERRORS = frozenset({1020, 1040, 1053, 1205, 1213, 1927, 2003, 2006, 2013, 2014, 2055})
"""MariaDB and client error numbers after which the same transaction may succeed: record changed, too many
connections, shutdown in progress, lock wait, deadlock, connection killed, cannot connect, gone away, lost during
query, out of sync."""

DATABASE_ERRORS = (DBAPIError, PoolTimeout, OSError)
"""What a database raises that is away, slow or in trouble: its own errors, no free connection, and TimeoutError, which
is an OSError."""

STATEMENT_TIMEOUT = 1969
"""MariaDB: the statement ran longer than it may."""

CONNECTION_LOST = 2013
"""The client's error number for a connection that broke."""

SILENCE_SECONDS = 20
"""After which a server whose machine acknowledges nothing is given up; one that is only slow still acknowledges."""
_SILENCE_OPTIONS = (
    (socket.TCP_KEEPIDLE, SILENCE_SECONDS // 2),
    (socket.TCP_KEEPINTVL, SILENCE_SECONDS // 4),
    (socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1_000),
)

BACKOFF_FIRST, BACKOFF_LAST = 0.05, 5.0

Result = TypeVar("Result")


class SchemaVersionMismatch(RuntimeError):
    """The database is at another version than this code understands; the text says what to run."""


def database_url(url: str, password: str) -> URL:
    """The URL with its password, which settings keep apart so that no log holds it."""
    made = make_url(url)
    return made.set(password=password) if password else made


def create_engine(url: str, password: str, *, pool_size: int = 5, statement_timeout: float = 30.0) -> AsyncEngine:
    """An engine whose connections are UTC, strict and READ COMMITTED, and prepare their statements.

    ``stmt_cache_size`` turns ``executemany`` into MariaDB's bulk protocol, at two to three times the rate.

    Args:
        url: ``mariadb+asyncmy://account@host:port/database``.
        password: of the account.
        pool_size: connections at most.
        statement_timeout: seconds after which the server ends a SELECT or a change.
    """
    engine = create_async_engine(
        database_url(url, password),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_use_lifo=False,  # taking turns, each soon knows every statement, and the server's memory stays as it is
        pool_timeout=10,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # hashes of passwords and sessions belong in no log
        connect_args={
            "stmt_cache_size": 100,
            "connect_timeout": 5,
            "charset": "utf8mb4",
            "init_command": (
                "SET time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
                f"innodb_lock_wait_timeout=10, max_statement_time={statement_timeout:g}"
            ),
        },
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    return engine


def _connect(dialect: Dialect, _: object, arguments: list[Any], options: dict[str, Any]) -> object:
    """Connect as the dialect does it, to a server that is not waited for when its machine is gone.

    On uvloop, a connection that is lost before asyncmy has set its options has no socket any more, and asyncmy raises
    RuntimeError for it, of which nobody would know that trying again helps.
    """
    try:
        connection = dialect.connect(*arguments, **options)
    except RuntimeError as error:
        raise dialect.loaded_dbapi.OperationalError(CONNECTION_LOST, str(error)) from error
    _limit_silence(connection.driver_connection)
    return connection


def _limit_silence(connection: Any) -> None:
    """Have the kernel end ``connection`` after SILENCE_SECONDS without an acknowledgement, not after many minutes."""
    # asyncmy itself offers no way to its socket.
    opened = connection._transport and connection._transport.get_extra_info("socket")
    if opened is not None and opened.family != socket.AF_UNIX:
        for option, value in _SILENCE_OPTIONS:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


def error_number(error: BaseException) -> int | None:
    """The MariaDB or client error number behind ``error``, or None."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments = getattr(original, "args", ())
    while arguments and isinstance(arguments[0], BaseException):
        arguments = arguments[0].args
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is run again."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OSError | PoolTimeout) or error_number(error) in TRANSIENT_ERRORS


def may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed later, though not at once: the database is away, or was too slow for it."""
    return is_transient(error) or error_number(error) == STATEMENT_TIMEOUT


async def in_transaction(
    engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]], *, attempts: int = 5
) -> Result:
    """Run ``work`` in one transaction and commit it; after a transient error run the whole of it again.

    Raises:
        Exception: what the last attempt raised, or at once what is not transient.
    """
    delay = BACKOFF_FIRST
    for attempt in range(1, attempts + 1):
        try:
            async with engine.begin() as connection:
                return await work(connection)
        except Exception as error:
            # Who has waited for a free connection has waited long enough.
            if attempt == attempts or isinstance(error, PoolTimeout) or not is_transient(error):
                raise
            log.warning(
                "transaction retried",
                attempt=attempt,
                error_number=error_number(error),
                error=str(error)[:200],
            )
        await asyncio.sleep(random.uniform(delay / 2, delay))
        delay = min(delay * 2, BACKOFF_LAST)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def database_problem(engine: AsyncEngine) -> str | None:
    """What is wrong with the database right now, or None: a check for :class:`telltale_shared.health.Health`."""
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except DATABASE_ERRORS as error:
        return f"{type(error).__name__}: {error_number(error) or error}"
    return None


async def schema_problem(connection: AsyncConnection, expected: str) -> str | None:
    """Why code that was written for the migration ``expected`` cannot work with this database, or None.

    It can at that migration, and at every later one whose database says that it serves such code as well
    (:mod:`telltale_shared.migrating`).
    """
    found = await _ask(connection, "SELECT version_num FROM alembic_version LIMIT 1")
    if found == expected:
        return None
    if found and await _ask(connection, "SELECT version FROM schema_serves WHERE version = :version", version=expected):
        log.info("the database is newer and serves this service as well", migration=found, expected=expected)
        return None
    return f"the database is at migration {found or 'none'}, this service needs {expected}"


async def _ask(connection: AsyncConnection, statement: str, **parameters: str) -> str | None:
    """The one value of ``statement``, or None; also where its table does not exist."""
    try:
        found: str | None = (await connection.execute(text(statement), parameters)).scalar()
    except DBAPIError as error:
        if is_transient(error):
            raise
        return None
    return found


async def check_schema_version(engine: AsyncEngine, expected: str) -> None:
    """Make sure that the database serves code that was written for the migration ``expected``.

    Raises:
        SchemaVersionMismatch: it is at another version, or was never migrated.
    """
    async with engine.connect() as connection:
        problem = await schema_problem(connection, expected)
    if problem is not None:
        raise SchemaVersionMismatch(f"{problem}: run the migrations, then start it again")


async def wait_for_schema(engine: AsyncEngine, expected: str, *, period: float = 1.0) -> None:
    """Wait until the database answers, then check its version.

    Raises:
        SchemaVersionMismatch: it answers, and is at another version.
    """
    while True:
        try:
            await check_schema_version(engine, expected)
        except DATABASE_ERRORS as error:
            if not is_transient(error):
                raise
            log.warning("waiting for the database", error=str(error)[:200])
            await asyncio.sleep(period)
        else:
            return
