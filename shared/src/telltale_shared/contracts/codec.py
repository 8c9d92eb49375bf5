"""Encoding and decoding of the message unions: one for readings and what is said of them, one for identity."""

import msgspec

from telltale_shared.contracts.alerts import AlertChanged
from telltale_shared.contracts.anomalies import AnomalyDetected
from telltale_shared.contracts.expectations import ExpectedRanges
from telltale_shared.contracts.identity import IdentityMessage
from telltale_shared.contracts.readings import ReadingBatch
from telltale_shared.contracts.sensitivities import Sensitivities
from telltale_shared.contracts.system import Heartbeat, LogEvent

Message = ReadingBatch | AnomalyDetected | Heartbeat | LogEvent | Sensitivities | AlertChanged | ExpectedRanges
AnyMessage = Message | IdentityMessage

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_identity_decoder: msgspec.json.Decoder[IdentityMessage] = msgspec.json.Decoder(IdentityMessage)


class MalformedMessage(ValueError):
    """The body is no message that this version understands; the text says why."""


def encode(message: AnyMessage) -> bytes:
    """The JSON body of ``message``."""
    return _encoder.encode(message)


def decode(body: bytes) -> Message:
    """The message in ``body``.

    Raises:
        MalformedMessage: not JSON, an unknown schema or version, or a field missing or of the wrong type.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(str(error)) from error


def decode_identity(body: bytes) -> IdentityMessage:
    """The message of the identity stream in ``body``. Raises like :func:`decode`."""
    try:
        return _identity_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(str(error)) from error


def schema_of(message: type[AnyMessage] | AnyMessage) -> str:
    """Schema and version of a message or its class, e.g. ``reading_batch/1``."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str)  # noqa: S101 - every contract declares its tag as text
    return tag
