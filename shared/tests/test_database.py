"""Connections to a database that is not there, or just going."""

import socket
import struct
import threading
import time

import pytest
import uvloop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from telltale_shared.database import DATABASE_ERRORS, SILENCE_SECONDS, create_engine, is_transient
from telltale_shared.testing import Access

ATTEMPTS = 2_000
DELAYS = (0.0, 0.000_02, 0.000_4)
"""Seconds from accepting to hanging up: which moment is the worst depends on the machine."""
RESET = struct.pack("ii", 1, 0)


def _hang_up(server: socket.socket) -> None:
    for number in range(ATTEMPTS):
        connection, _ = server.accept()
        until = time.perf_counter() + DELAYS[number % len(DELAYS)]
        while time.perf_counter() < until:
            pass
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()


async def _connect_often(port: int) -> None:
    engine = create_engine(f"mariadb+asyncmy://nobody@127.0.0.1:{port}/none", "")
    for _ in range(ATTEMPTS):
        with pytest.raises((DBAPIError, OSError)) as caught:
            async with engine.connect():
                pass
        assert is_transient(caught.value)


def test_whenever_a_server_hangs_up_it_is_known_that_trying_again_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        uvloop.run(_connect_often(server.getsockname()[1]))


def test_when_no_connection_is_free_trying_again_helps() -> None:
    assert isinstance(PoolTimeout(), DATABASE_ERRORS)
    assert is_transient(PoolTimeout())


@pytest.mark.anyio
async def test_the_kernel_ends_a_connection_to_a_machine_that_is_gone(database: Access) -> None:
    engine = create_engine(database.url, database.password)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        opened = raw.driver_connection._transport.get_extra_info("socket")  # type: ignore[union-attr]  # it is open
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < SILENCE_SECONDS
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1_000 * SILENCE_SECONDS
    await engine.dispose()
