"""Settings of the generator, from the environment."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, VerifierSettings

RATE_MIN, RATE_MAX = 0.001, 1_000.0
"""Readings per second and series; at less than one in a quarter of an hour nobody would see it work."""
SPEED_MIN, SPEED_MAX = 0.001, 10_000.0
"""How many times faster than it was measured a file is replayed."""


class SourceName(StrEnum):
    """Where the generator takes readings from; posted ones are taken beside any of them."""

    SYNTHETIC = "synthetic"
    HOST = "host"
    REPLAY = "replay"
    NONE = "none"


class Settings(BrokerSettings, VerifierSettings):
    """Everything the generator can be told."""

    model_config = SettingsConfigDict(env_prefix="GENERATOR_")

    port: int = Field(8003, ge=1, le=65_535)
    name: str = Field("generator", pattern="^[a-z0-9][a-z0-9-]{0,39}$")
    """The service's name in heartbeats and in the ledger; the beginning of every producer's name."""
    source: SourceName = SourceName.SYNTHETIC
    rate: float = Field(1.0, ge=RATE_MIN, le=RATE_MAX)
    """Readings per second and series, of the synthetic and the host source."""
    seed: int = 1
    """The same seed gives the same synthetic values at the same times."""
    anomaly_minutes: int = Field(120, ge=0)
    """Minutes that hold one anomaly of each synthetic series; 0 for none, else at least 20."""
    replay_file: Path | None = None
    """A CSV file with the columns source, category, observed_at, value and optionally unit, note."""
    replay_speed: float = Field(1.0, ge=SPEED_MIN, le=SPEED_MAX)
    """How many times faster than measured the file is replayed."""
    spool_dir: Path = Path(".run/data/generator")
    """Where deliveries wait until the broker has confirmed them; for one running generator alone."""
    spool_max_bytes: int = Field(256 * 1024 * 1024, ge=1_000_000)
    partition: int = Field(0, ge=0, lt=64)
    """The store queue that this generator publishes to."""

    @field_validator("anomaly_minutes")
    @classmethod
    def _room_for_an_anomaly(cls, minutes: int) -> int:
        if 0 < minutes < 20:
            raise ValueError("must be 0, or at least 20 so that an anomaly has room to begin and to end")
        return minutes

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.source is SourceName.REPLAY:
            if self.replay_file is None:
                raise ValueError("GENERATOR_REPLAY_FILE must name a file when GENERATOR_SOURCE=replay")
            if not self.replay_file.is_file():
                raise ValueError(f"GENERATOR_REPLAY_FILE: {self.replay_file} is not a file")
        if self.partition >= self.store_partitions:
            raise ValueError("GENERATOR_PARTITION must be below STORE_PARTITIONS")
        return self
