"""Prepared frames are what a WebSocket library makes of the same text, and are made once."""

import zlib

from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from telltale_gateway.wire import Frame, Parcel

TEXTS = st.lists(st.text() | st.integers(100, 70_000).map(lambda size: "0123456789" * (size // 10)), max_size=5)


def received(data: bytes, *, deflate: bool = False) -> list[bytes]:
    """What a client gets out of ``data``."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    if deflate:
        client.extensions = [PerMessageDeflate(True, True, 15, 15)]
    client.receive_data(data)
    frames = client.events_received()
    assert all(isinstance(frame, WebSocketFrame) and frame.opcode is Opcode.TEXT and frame.fin for frame in frames)
    return [bytes(frame.data) for frame in frames if isinstance(frame, WebSocketFrame)]


@given(TEXTS)
def test_a_client_reads_what_was_written(texts: list[str]) -> None:
    payloads = [text.encode() for text in texts]
    parcel = Parcel([Frame(payload) for payload in payloads])
    assert received(parcel.plain) == payloads
    assert received(parcel.deflated, deflate=True) == payloads


@given(st.integers(1, 3))
def test_compressed_frames_depend_on_none_before_them(skipped: int) -> None:
    frames = [Frame(f'{{"type":"readings","value":{number}}}'.encode() * 50) for number in range(4)]
    assert received(Parcel(frames[skipped:]).deflated, deflate=True) == [one.payload for one in frames[skipped:]]
    assert len(frames[0].deflated) < len(frames[0].plain) / 10


def test_what_does_not_shrink_goes_as_it_is() -> None:
    frame = Frame(b"{}")
    assert frame.deflated == frame.plain
    assert len(zlib.compress(frame.payload)) > len(frame.payload)


def test_bytes_are_made_once() -> None:
    parcel = Parcel([Frame(b"one"), Frame(b"two")])
    assert parcel.plain is parcel.plain
    assert parcel.frames[0].plain is parcel.frames[0].plain
    alone = Parcel([Frame(b"three")])
    assert alone.plain is alone.frames[0].plain
