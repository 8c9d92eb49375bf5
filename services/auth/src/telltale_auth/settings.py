"""Settings of auth, from the environment."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, Environment, ServiceSettings

_CONFIG = SettingsConfigDict(env_prefix="AUTH_")
_DATABASE_URL = r"^mariadb\+asyncmy://[^/]+/[^/]+$"

PRODUCTION_COST = 12
"""Rounds of bcrypt, as a power of two, that production demands."""


class AccountSettings(ServiceSettings):
    """What whoever changes accounts needs: the service, and the command that makes the first administrator."""

    model_config = _CONFIG

    database_url: str = Field("mariadb+asyncmy://telltale_auth@127.0.0.1:3306/telltale_auth", pattern=_DATABASE_URL)
    database_password: SecretStr = SecretStr("")
    bcrypt_cost: int = Field(PRODUCTION_COST, ge=4, le=16)
    """Power of two of bcrypt's rounds; below 12 for tests only."""

    @model_validator(mode="after")
    def _refuse_cheap_hashes_in_production(self) -> "AccountSettings":
        if self.environment is Environment.PRODUCTION and self.bcrypt_cost < PRODUCTION_COST:
            raise ValueError(f"AUTH_BCRYPT_COST must be at least {PRODUCTION_COST} when ENVIRONMENT=production")
        return self


class Settings(AccountSettings, BrokerSettings):
    """Everything the service can be told."""

    # Said again because the bases are merged in order and the last one has no prefix.
    model_config = _CONFIG

    port: int = Field(8001, ge=1, le=65_535)
    hash_threads: int = Field(2, ge=1, le=64)
    """Passwords hashed at the same time; each takes about a quarter of a second of one core."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses or networks whose X-Forwarded-For is believed: the UI's server, and a proxy before auth."""
    registration: bool = True
    """Whether anybody may register; who does becomes a VIEWER."""
    signing_seed: SecretStr = Field(SecretStr(""), validate_default=True)
    """The Ed25519 private key: 32 random bytes as 64 hexadecimal digits. All copies of auth share one."""

    other_signing_seeds: SecretStr = SecretStr("")
    """Further such keys, with commas between them, whose tokens are good, too; see "Changing the signing key"."""

    def is_trusted_proxy(self, address: str) -> bool:
        """Whether whoever connects from ``address`` may say whose request it passes on."""
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self.trusted_proxies)

    @property
    def other_seeds(self) -> list[str]:
        """The further keys, one by one."""
        return [seed.strip() for seed in self.other_signing_seeds.get_secret_value().split(",") if seed.strip()]

    @field_validator("other_signing_seeds")
    @classmethod
    def _check_other_seeds(cls, seeds: SecretStr) -> SecretStr:
        for seed in filter(None, map(str.strip, seeds.get_secret_value().split(","))):
            cls._check_seed(SecretStr(seed))
        return seeds

    @field_validator("signing_seed")
    @classmethod
    def _check_seed(cls, seed: SecretStr) -> SecretStr:
        digits = seed.get_secret_value()
        if not re.fullmatch("[0-9a-fA-F]{64}", digits):
            state = "is missing" if not digits else "is not right"
            raise ValueError(f"{state}: 64 hexadecimal digits are needed, for instance from `openssl rand -hex 32`")
        if len(set(digits)) < 8:
            raise ValueError("is too regular to be random; take one from `openssl rand -hex 32`")
        return seed


class MigrationSettings(ServiceSettings):
    """How the migrations reach the database: an account that may change its structure."""

    model_config = _CONFIG

    migration_database_url: str = Field(
        "mariadb+asyncmy://telltale_auth_migrator@127.0.0.1:3306/telltale_auth", pattern=_DATABASE_URL
    )
    migration_database_password: SecretStr = SecretStr("")
