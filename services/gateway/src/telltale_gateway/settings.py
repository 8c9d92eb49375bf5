"""Settings of the gateway, from the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, VerifierSettings


class Settings(BrokerSettings, VerifierSettings):
    """Everything the gateway can be told."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    port: int = Field(8002, ge=1, le=65_535)
    history_seconds: int = Field(900, ge=1, le=3_600)
    """How much of the stream is kept in memory, and read again after a restart."""
    history_readings: int = Field(300_000, ge=1, le=10_000_000)
    """Readings kept in memory at most.

    Each takes about 90 bytes where messages hold 1,000, 400 where they hold 12, and 1,070 where they hold one.
    """
    queue_readings: int = Field(20_000, ge=1, le=1_000_000)
    """Readings that a client may be behind before it is told the newest values only."""
    max_clients: int = Field(2_000, ge=1, le=100_000)
    """Authenticated connections at once."""
    max_clients_per_account: int = Field(100, ge=1, le=100_000)
    """Connections of one account at once."""
    max_unauthenticated: int = Field(1_000, ge=1, le=100_000)
    """Connections at once that have yet to authenticate; for one too many, the oldest of them is closed."""
    max_subscriptions: int = Field(1_000, ge=1, le=100_000)
    """Different subscriptions (filters and frame rate) at once; frames are made for each of them."""
    deflate: bool = False
    """Compress frames for browsers that can read that: fewer bytes, a little more time."""
    authenticate_within: float = Field(5.0, gt=0, le=60)
    """Seconds from connecting to the first authentication."""
    session_seconds: float = Field(300.0, gt=0, le=3_600)
    """A client authenticates again within this time of its last authentication."""
    stall_seconds: float = Field(10.0, gt=0, le=120)
    """A client that takes nothing for so long is closed."""
