"""The messages that travel over the broker: typed, versioned, JSON.

Each struct carries its schema and version as the tag ``schema`` (``"reading_batch/1"``), which is also the AMQP
``type`` property. A change that old code could not read gets a new version and a new golden payload; old golden
payloads stay readable for ever (``shared/tests/golden``).
"""

from telltale_shared.contracts.alerts import AlertChanged
from telltale_shared.contracts.anomalies import AnomalyDetected
from telltale_shared.contracts.codec import MalformedMessage, decode, decode_identity, encode, schema_of
from telltale_shared.contracts.expectations import ExpectedRanges
from telltale_shared.contracts.identity import Revocation, RevocationFence
from telltale_shared.contracts.readings import ReadingBatch, SeriesKey
from telltale_shared.contracts.sensitivities import Sensitivities, SeriesLimits
from telltale_shared.contracts.system import LEDGER_MISSING, Heartbeat, LogEvent, ProducerState

__all__ = [
    "LEDGER_MISSING",
    "AlertChanged",
    "AnomalyDetected",
    "ExpectedRanges",
    "Heartbeat",
    "LogEvent",
    "MalformedMessage",
    "ProducerState",
    "ReadingBatch",
    "Revocation",
    "RevocationFence",
    "Sensitivities",
    "SeriesKey",
    "SeriesLimits",
    "decode",
    "decode_identity",
    "encode",
    "schema_of",
]
