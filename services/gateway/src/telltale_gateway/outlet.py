"""Writes to one connection: straight to its socket while nothing waits there, and behind what waits otherwise."""

import socket
import struct
from asyncio import Transport
from collections.abc import Callable, Iterable
from typing import Any

from telltale_gateway.wire import Parcel

KERNEL_BUFFER = 65_536
"""Bytes that the kernel may hold for a client (Linux doubles it for its own needs).

Left alone it grows to megabytes: a client that stops reading would go unnoticed for minutes, and be served the past.
"""

RESET = struct.pack("ii", 1, 0)
"""Linger for no time: what waits in the kernel is dropped."""


class Outlet:
    """Stands before a transport and does what uvicorn asks of one, so that nothing can overtake anything.

    The event loop's own way of writing costs a good deal beside the kernel's part: for a frame that goes to thousands,
    the system call is made right here. What the kernel does not take goes to the transport, which then pauses the
    protocol until all of it is gone.
    """

    __slots__ = ("_socket", "_transport", "deflates", "send")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._socket: socket.socket | None = None
        self.deflates = False
        """Whether the client takes compressed frames."""
        self.send: Callable[[bytes], int] = self._hand_over
        """Sends bytes when nothing waits, and tells how many were taken.

        Raises:
            OSError: none were taken.
        """
        transport.set_write_buffer_limits(high=0)
        plain = transport.get_extra_info("socket")
        if plain is not None and transport.get_extra_info("sslcontext") is None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
            # The descriptor stays the transport's: it is given back in `release`, before the transport closes it.
            self._socket = socket.socket(plain.family, plain.type, plain.proto, plain.fileno())
            self._socket.setblocking(False)
            self.send = self._socket.send

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client."""
        return self._transport.get_write_buffer_size()

    def tell(self, parcel: Parcel) -> None:
        """Send ``parcel``, or let it wait."""
        self.write(parcel.deflated if self.deflates else parcel.plain)

    def write(self, data: bytes) -> None:
        """Send ``data``, or let it wait; nothing happens when the connection is about to end."""
        if self._transport.is_closing():
            return
        taken = 0 if self.unsent else _taken(self.send, data)
        if taken < len(data):
            self.wait(data, taken)

    def wait(self, data: bytes, taken: int) -> None:
        """Let wait what was not ``taken`` of ``data``."""
        self._transport.write(memoryview(data)[taken:])

    def release(self) -> None:
        """Use the socket no longer: the connection has ended."""
        self.send = len
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _hand_over(self, data: bytes) -> int:
        self._transport.write(data)
        return len(data)

    # --- what else uvicorn wants of a transport

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        """End the connection, and let the other side know even if it reads nothing."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


def tell_all(outlets: Iterable[Outlet], parcel: Parcel) -> None:
    """Send ``parcel`` to all, for none of whom anything waits."""
    for outlet in outlets:
        data = parcel.deflated if outlet.deflates else parcel.plain
        taken = _taken(outlet.send, data)
        if taken != len(data):
            outlet.wait(data, taken)


def _taken(send: Callable[[bytes], int], data: bytes) -> int:
    try:
        return send(data)
    except BlockingIOError:
        return 0
    except OSError:
        # The connection has ended, which the event loop is about to find out.
        return len(data)
