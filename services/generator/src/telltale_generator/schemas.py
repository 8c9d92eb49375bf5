"""What the REST interface takes and gives."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from telltale_generator.settings import RATE_MAX, RATE_MIN, SPEED_MAX, SPEED_MIN, SourceName
from telltale_generator.sources.synthetic import AnomalyKind


class SeriesOut(BaseModel):
    """One series that the source yields."""

    source: str
    category: str
    unit: str | None


class SpoolOut(BaseModel):
    """What waits on disk for the broker's confirm."""

    deliveries: int
    bytes: int
    max_bytes: int


class ReplayOut(BaseModel):
    """How far the replay of a file has come."""

    speed: float
    position: int
    rows: int


class AnomalyOut(BaseModel):
    """A label: which series goes wrong, how, and when that begins and ends."""

    source: str
    category: str
    kind: AnomalyKind
    start: datetime
    end: datetime


class GeneratorOut(BaseModel):
    """What the generator does right now."""

    name: str
    producer: str
    source: SourceName
    rate: float = Field(description="Readings per second and series, of the synthetic and the host source.")
    paused: bool
    finished: bool = Field(description="Whether the source will never yield another reading.")
    series: list[SeriesOut]
    replay: ReplayOut | None
    published: int = Field(description="Highest number given to a reading.")
    confirmed: int = Field(description="Every number up to this one is confirmed by the broker.")
    dropped: int = Field(description="Readings given up before they got a number, because the spool was full.")
    spool: SpoolOut
    anomalies: list[AnomalyOut] = Field(description="What the synthetic source made go wrong in the last hour.")


class GeneratorChange(BaseModel):
    """What to change; a field that is absent or null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    source: SourceName | None = None
    rate: float | None = Field(None, ge=RATE_MIN, le=RATE_MAX, description="Readings per second and series.")
    speed: float | None = Field(
        None, ge=SPEED_MIN, le=SPEED_MAX, description="How many times faster the file is replayed."
    )
    paused: bool | None = None


class InjectAnomaly(BaseModel):
    """Which anomaly to make; without a source or a category the generator chooses."""

    model_config = ConfigDict(extra="forbid")

    kind: AnomalyKind = AnomalyKind.SPIKE
    source: str | None = Field(None, max_length=100)
    category: str | None = Field(None, max_length=100)


class PostedReading(BaseModel):
    """One reading of your own."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=1, max_length=100, examples=["my-sensor"])
    category: str = Field(min_length=1, max_length=100, examples=["temperature"])
    observed_at: AwareDatetime = Field(description="RFC 3339, with its offset.")
    value: float
    unit: str | None = Field(None, min_length=1, max_length=32, examples=["°C"])


class Accepted(BaseModel):
    """The readings have these numbers of this producer in the ledger, and the broker has confirmed them."""

    producer: str
    first: int
    last: int
    count: int
