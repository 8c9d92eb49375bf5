"""Writes to one connection: straight to its socket while nothing waits there, and behind what waits otherwise."""

import struct
from asyncio import Transport
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from socket import SO_LINGER, SO_SNDBUF, SOL_SOCKET
from socket import socket as Socket  # noqa: N812 - the class, told from all that is called so
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

    __slots__ = ("_socket", "_transport", "deflates")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._socket: Socket | None = None
        self.deflates = False
        """Whether the client takes compressed frames."""
        transport.set_write_buffer_limits(high=0)
        borrowed = transport.get_extra_info("socket")
        if borrowed is not None and transport.get_extra_info("sslcontext") is None:
            # The descriptor stays the transport's, which closes it after `connection_lost`, where `release` is called.
            self._socket = Socket(fileno=borrowed.fileno())
            self._socket.setsockopt(SOL_SOCKET, SO_SNDBUF, KERNEL_BUFFER)

    @property
    def key(self) -> Hashable:
        """By which :func:`tell_all` knows it: its socket, where plain bytes may go straight to it."""
        return self if self.deflates or self._socket is None else self._socket

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
        taken = 0
        if not self.unsent and self._socket is not None:
            with suppress(OSError):
                taken = self._socket.send(data)
        if taken < len(data):
            self.wait(data, taken)

    def wait(self, data: bytes, taken: int) -> None:
        """Let wait what was not ``taken`` of ``data``."""
        self._transport.write(memoryview(data)[taken:])

    def release(self) -> None:
        """Use the descriptor no longer: the connection has ended, and it may soon be another's."""
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    # --- what else uvicorn wants of a transport

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        """End the connection, and let the other side know even if it reads nothing."""
        if self._socket is not None:
            self._socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


def tell_all(keys: Iterable[Hashable], outlets: Mapping[Hashable, Outlet], parcel: Parcel) -> None:
    """Send ``parcel`` to the outlets with ``keys``, for none of which anything waits.

    It goes by sockets: looking at thousands of outlets and transports, scattered over the memory, would cost more than
    all else that Python does here.
    """
    data, size = parcel.plain, len(parcel.plain)
    for key in keys:
        if type(key) is not Socket:
            outlets[key].tell(parcel)
            continue
        try:
            taken = key.send(data)
        except OSError:
            # The kernel's buffer is full; or the connection has ended, which the transport then finds out.
            taken = 0
        if taken != size:
            outlets[key].wait(data, taken)
