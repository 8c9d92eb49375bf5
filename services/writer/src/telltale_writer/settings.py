"""Settings of the writer, from the environment."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, ServiceSettings


class Settings(BrokerSettings):
    """Everything the writer can be told."""

    model_config = SettingsConfigDict(env_prefix="WRITER_")

    port: int = Field(8004, ge=1, le=65_535)
    database_url: str = "mariadb+asyncmy://telltale_writer@127.0.0.1:3306/telltale"
    database_password: SecretStr = SecretStr("")
    partition: int = Field(0, ge=0, lt=64)
    batch_rows: int = Field(50_000, ge=1, le=200_000)
    """Readings in one transaction at most, but always at least one delivery."""
    batch_age: float = Field(0.1, ge=0, le=10)
    """Seconds that the first reading of a batch may wait for more."""
    prefetch: int = Field(500, ge=1, le=10_000)
    """Deliveries that may be held unacknowledged; bounds the memory under a backlog."""
    retention_days: int = Field(365, ge=1, le=3_650)
    """Raw readings older than this are dropped, partition by partition, and refused when they arrive."""
    log_retention_days: int = Field(90, ge=1, le=3_650)
    ledger_retention_days: int = Field(365, ge=1, le=36_500)
    """Days of the ledger, and ended producers, older than this are summed up."""
    dead_letter_retention_days: int = Field(365, ge=1, le=36_500)


class MigrationSettings(ServiceSettings):
    """How the migrations reach the database: an account that may change its structure."""

    model_config = SettingsConfigDict(env_prefix="WRITER_")

    migration_database_url: str = "mariadb+asyncmy://telltale_migrator@127.0.0.1:3306/telltale"
    migration_database_password: SecretStr = SecretStr("")
