"""The WebSocket of the gateway, ``/api/v1/stream``: JSON text frames, one message each, told apart by ``type``.

``deploy/asyncapi.yaml`` describes the same for others; a test keeps the two equal.
"""

from typing import Annotated

import msgspec

from telltale_shared.contracts.alerts import AlertChanged
from telltale_shared.contracts.anomalies import AnomalyDetected
from telltale_shared.contracts.readings import SeriesKey
from telltale_shared.contracts.system import Heartbeat

MAX_FPS = 20
MAX_FILTER = 500
LARGEST = 2**53
"""Whole numbers beyond it would be rounded in a browser."""

WholeNumber = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Names = Annotated[list[Name], msgspec.Meta(max_length=MAX_FILTER)]


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in the live stream a client is: everything up to here has been told. Opaque to a client.

    The broker names no stream's identity, so an offset counts only together with what was found there.
    """

    offset: WholeNumber
    producer: str
    """The message's sender: the producer of a batch, the detector of an anomaly, the instance of a heartbeat; of an
    alert, the alert itself."""
    first: WholeNumber
    """The sender's own number for it: the batch's first reading, the number of an alert's change, or the time of the
    detection or of the heartbeat in µs."""
    at: WholeNumber | None = None
    """When it was published, µs since 1970-01-01 UTC. Names the beginning of a gap; plays no part in recognition."""


# --- what a client sends


class Authenticate(msgspec.Struct, tag_field="type", tag="authenticate", frozen=True, kw_only=True):
    """First, within 5 s of connecting; again, with a fresh token, before the session's 5 minutes end."""

    token: Annotated[str, msgspec.Meta(max_length=8_192)]
    """A stream token of auth (``POST /auth/stream-token``)."""


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe", frozen=True, kw_only=True):
    """What the client wants from now on. A second one replaces the first."""

    sources: Names = []
    """Empty means all."""
    categories: Names = []
    """Empty means all. A reading must match both lists."""
    history: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,5}[smh]$")] = "0s"
    """How much of the past comes first, as far as the gateway still has it. Ignored when ``after`` is recognised."""
    after: Position | None = None
    """The last position that the client was told, to resume behind it."""
    max_fps: Annotated[int, msgspec.Meta(ge=1, le=MAX_FPS)] = MAX_FPS
    """Coalesced rounds of frames a second at most."""


ClientMessage = Authenticate | Subscribe


# --- what the gateway sends


class Hello(msgspec.Struct, tag_field="type", tag="hello", frozen=True, kw_only=True):
    """Sent at once after the connection is accepted: the terms."""

    service: str
    version: str
    authenticate_within: float
    """Seconds."""
    session_seconds: float
    """A session lasts this long after its last authentication; longer while auth is away and nobody can renew it."""
    history_seconds: float
    """How far back ``history`` can reach."""
    max_fps: int = MAX_FPS


class Gap(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """A stretch of time of which the gateway can no longer tell everything."""

    start: int | None
    """µs since 1970-01-01 UTC, or null when the client's position named no time. On the wire ``from``."""
    end: int
    """µs since 1970-01-01 UTC. On the wire ``to``."""


class Subscribed(msgspec.Struct, tag_field="type", tag="subscribed", frozen=True, kw_only=True):
    """The answer to a subscription; history follows, then what is live, without a seam."""

    position: Position | None
    """Everything that matches and came after this position follows; null: from the beginning of what there is."""
    recovered: bool
    """Whether ``after`` was recognised, so that nothing is missing and nothing comes twice."""
    series: list[SeriesKey]
    """The matching series seen lately, as rows ``[source, category, unit]``."""
    gap: Gap | None = None
    """What is missing between ``after`` and what follows, when it was not recognised."""


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """Readings in columns of equal length, in the order of the stream."""

    series: list[SeriesKey]
    """The series mentioned here, as rows ``[source, category, unit]``."""
    index: list[int]
    """Per reading: its place in ``series``."""
    observed_at: list[int]
    """Per reading: when it was measured, µs since 1970-01-01 UTC."""
    value: list[float]
    published_at: list[int]
    """Per reading: when its delivery was first published, µs since 1970-01-01 UTC."""


class Readings(msgspec.Struct, tag_field="type", tag="readings", frozen=True, kw_only=True):
    """Readings that match, coalesced over one or more messages of the stream."""

    position: Position
    """Of the last message of the stream that this frame accounts for."""
    sent_at: int
    """When the frame was made, µs since 1970-01-01 UTC."""
    points: Points
    history: bool = False
    """Whether all this happened before the subscription."""


class Anomalies(msgspec.Struct, tag_field="type", tag="anomalies", frozen=True, kw_only=True):
    """Anomalies of series that match."""

    position: Position
    items: list[AnomalyDetected]
    history: bool = False


class Alerts(msgspec.Struct, tag_field="type", tag="alerts", frozen=True, kw_only=True):
    """Changes of alerts on series that match, and of those about the system, which everyone is told."""

    position: Position
    items: list[AlertChanged]
    history: bool = False


class ExpectedPoints(msgspec.Struct, frozen=True, kw_only=True):
    """Expected ranges in columns of equal length."""

    series: list[SeriesKey]
    """The series mentioned here, as rows ``[source, category, unit]``."""
    index: list[int]
    """Per range: the place of its series in ``series``."""
    observed_at: list[int]
    """Per range: when the reading of which it was expected was measured, µs since 1970-01-01 UTC."""
    low: list[float]
    high: list[float]


class Expected(msgspec.Struct, tag_field="type", tag="expected", frozen=True, kw_only=True):
    """In which ranges the detector expected readings of series that match; of some readings, not of each.

    Only to be drawn: a client that does not keep up, or comes back, may miss some without being told.
    """

    position: Position
    points: ExpectedPoints
    history: bool = False


class System(msgspec.Struct, tag_field="type", tag="system", frozen=True, kw_only=True):
    """The newest heartbeat of one instance. Only the newest counts, so older ones may be left out."""

    position: Position
    event: Heartbeat


class Lag(msgspec.Struct, tag_field="type", tag="lag", frozen=True, kw_only=True):
    """The client did not keep up: what follows is the newest value of each series and state of each alert."""

    dropped: int
    """Readings, anomalies and changes of alerts left out since the last ``lag``."""


ServerMessage = Hello | Subscribed | Readings | Anomalies | Alerts | Expected | System | Lag
