"""Groups of settings that several services compose, and the loader that turns a bad one into one clear line.

Nothing here is read at import time: a service's ``settings.py`` builds its class from these groups, and its
``__main__`` calls :func:`load_settings` once.
"""

import os
import sys
from enum import StrEnum
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

EXIT_BAD_SETTINGS = 3
"""Exit code of a service that refuses to start; a supervisor must not loop on it."""


SECRET_LENGTH = 16
"""Characters that production demands of a secret."""


class Environment(StrEnum):
    """Where a service runs; production refuses weak settings."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ServiceSettings(BaseSettings):
    """What every service needs. Environment variables without a prefix are common to all services."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True)

    environment: Environment = Field(Environment.DEVELOPMENT, validation_alias="ENVIRONMENT")
    demo_accounts: bool = Field(False, validation_alias="DEMO_ACCOUNTS")
    log_level: str = Field("INFO", validation_alias="LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    bind_host: str = Field("127.0.0.1", validation_alias="BIND_HOST")
    cors_origins: list[str] = Field(
        default=["http://127.0.0.1:8501", "http://localhost:8501"], validation_alias="CORS_ORIGINS"
    )

    api_docs: bool = Field(True, validation_alias="API_DOCS")
    """Whether the service describes itself at ``/docs``, ``/redoc`` and ``/openapi.json``."""
    metrics: bool = Field(True, validation_alias="METRICS")
    """Whether it answers ``/metrics``, to whoever reaches its port."""

    @property
    def is_production(self) -> bool:
        """Whether weak settings are refused."""
        return self.environment is Environment.PRODUCTION

    @model_validator(mode="after")
    def _refuse_weak_production(self) -> "ServiceSettings":
        if self.is_production:
            if self.demo_accounts:
                raise ValueError("DEMO_ACCOUNTS must be false when ENVIRONMENT=production")
            if "*" in self.cors_origins:
                raise ValueError("CORS_ORIGINS must not be '*' when ENVIRONMENT=production")
            for name in ("database_password", "migration_database_password"):
                secret = getattr(self, name, None)
                if isinstance(secret, SecretStr) and len(secret.get_secret_value()) < SECRET_LENGTH:
                    variable = _variable(type(self), (name,))
                    raise ValueError(f"{variable} must have at least {SECRET_LENGTH} characters in production")
        return self


class BrokerSettings(ServiceSettings):
    """How to reach RabbitMQ. The password is a setting of its own, so that no URL in a log holds it."""

    amqp_url: str = Field("amqp://telltale@127.0.0.1:5672/telltale", validation_alias="AMQP_URL", pattern="^amqps?://")
    amqp_password: SecretStr = Field(SecretStr(""), validation_alias="AMQP_PASSWORD")
    store_partitions: int = Field(1, validation_alias="STORE_PARTITIONS", ge=1, le=64)

    @model_validator(mode="after")
    def _refuse_guest_in_production(self) -> "BrokerSettings":
        if self.environment is Environment.PRODUCTION:
            if "//guest@" in self.amqp_url or "//guest:" in self.amqp_url:
                raise ValueError("AMQP_URL must not use the guest account when ENVIRONMENT=production")
            if len(self.amqp_password.get_secret_value()) < SECRET_LENGTH:
                raise ValueError(f"AMQP_PASSWORD must have at least {SECRET_LENGTH} characters in production")
        return self


class VerifierSettings(ServiceSettings):
    """Where the keys that sign access tokens are published."""

    auth_url: str = Field("http://127.0.0.1:8001", validation_alias="AUTH_URL", pattern="^https?://")


_Settings = TypeVar("_Settings", bound=ServiceSettings)


def _variable(settings: type[ServiceSettings], location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else ""
    field = settings.model_fields.get(name)
    if field is None:
        return name
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def load_settings(settings: type[_Settings]) -> _Settings:
    """The settings from the environment, and from files named like them in the directory ``SECRETS_DIR``.

    Exits with code 3 and one line for each bad setting, naming its variable.
    """
    try:
        return settings(_secrets_dir=os.environ.get("SECRETS_DIR"))
    except ValidationError as error:
        for problem in error.errors():
            variable = _variable(settings, problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"bad setting: {f'{variable}: ' if variable else ''}{message}\n")
        raise SystemExit(EXIT_BAD_SETTINGS) from None
