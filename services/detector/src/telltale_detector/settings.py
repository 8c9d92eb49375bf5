"""Settings of the detector, from the environment."""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings


class Settings(BrokerSettings):
    """Everything the detector can be told."""

    model_config = SettingsConfigDict(env_prefix="DETECTOR_")

    port: int = Field(8005, ge=1, le=65_535)
    checkpoint_dir: Path = Path(".run/detector")
    """Where the models are kept; a detector that comes back goes on from there."""
    checkpoint_period: float = Field(5.0, gt=0, le=600)
    """Seconds between checkpoints. After a crash so much of the stream is scored again, with the same result."""
    shard: int = Field(0, ge=0, lt=1_024)
    """Which part of the series this detector watches, from 0."""
    shards: int = Field(1, ge=1, le=1_024)
    """How many detectors share the series."""
    max_series: int = Field(100_000, ge=1, le=5_000_000)
    """Series beyond it are not watched; one takes about 1 KB."""

    @model_validator(mode="after")
    def _shard_exists(self) -> "Settings":
        if self.shard >= self.shards:
            raise ValueError("DETECTOR_SHARD must be less than DETECTOR_SHARDS")
        return self

    @property
    def checkpoint_file(self) -> Path:
        """The checkpoint of this shard."""
        return self.checkpoint_dir / f"detector-{self.shard}-of-{self.shards}.checkpoint"
