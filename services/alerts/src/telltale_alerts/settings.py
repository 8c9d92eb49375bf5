"""Settings of the alerts service, from the environment."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, ServiceSettings, VerifierSettings

_CONFIG = SettingsConfigDict(env_prefix="ALERTS_")
_DATABASE_URL = r"^mariadb\+asyncmy://[^/]+/[^/]+$"


class Settings(BrokerSettings, VerifierSettings):
    """Everything the service can be told."""

    model_config = _CONFIG

    port: int = Field(8006, ge=1, le=65_535)
    database_url: str = Field("mariadb+asyncmy://telltale_alerts@127.0.0.1:3306/telltale_alerts", pattern=_DATABASE_URL)
    database_password: SecretStr = SecretStr("")
    query_url: str = Field("http://127.0.0.1:8000", validation_alias="QUERY_URL", pattern="^https?://")
    """Where rules are tried on past data."""
    history_days: int = Field(90, ge=1, le=3_650)
    """Days after which alerts that are over are forgotten, with their history and deliveries."""
    forget_series_days: int = Field(30, ge=1, le=3_650)
    """Days after which a series without readings is no more watched."""
    max_series: int = Field(100_000, ge=1, le=5_000_000)
    """Series beyond it are not watched."""
    webhook_private_addresses: bool = False
    """Whether webhooks may go to this machine and to private networks."""


class MigrationSettings(ServiceSettings):
    """How the migrations reach the database: an account that may change its structure."""

    model_config = _CONFIG

    migration_database_url: str = Field(
        "mariadb+asyncmy://telltale_alerts_migrator@127.0.0.1:3306/telltale_alerts", pattern=_DATABASE_URL
    )
    migration_database_password: SecretStr = SecretStr("")
