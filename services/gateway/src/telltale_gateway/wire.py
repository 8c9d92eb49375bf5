"""What goes over a socket, made ready once for all that get it. Pure."""

from collections.abc import Sequence
from functools import cached_property

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

WINDOW_BITS = 15
"""Compressed frames look back 2**15 bytes; who decompresses with a smaller window gets them uncompressed."""

# Without context takeover a compressed frame depends on no other, so everyone can get the same one.
_deflate = PerMessageDeflate(
    remote_no_context_takeover=True,
    local_no_context_takeover=True,
    remote_max_window_bits=WINDOW_BITS,
    local_max_window_bits=WINDOW_BITS,
)


class Frame:
    """One text frame: encoded once, and wrapped once for each kind of connection that gets it."""

    def __init__(self, payload: bytes, told: int = 0) -> None:
        self.payload = payload
        """UTF-8."""
        self.told = told
        """Readings, anomalies and changes of alerts in it."""

    @cached_property
    def plain(self) -> bytes:
        """The frame as a server sends it."""
        return WebSocketFrame(Opcode.TEXT, self.payload).serialize(mask=False)

    @cached_property
    def deflated(self) -> bytes:
        """The same, compressed where that makes it smaller, for connections that agreed on it."""
        compressed = WebSocketFrame(Opcode.TEXT, self.payload).serialize(mask=False, extensions=[_deflate])
        return min(compressed, self.plain, key=len)


class Parcel:
    """Frames that go out together, in one write."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = frames

    @cached_property
    def plain(self) -> bytes:
        return b"".join([frame.plain for frame in self.frames])

    @cached_property
    def deflated(self) -> bytes:
        return b"".join([frame.deflated for frame in self.frames])
