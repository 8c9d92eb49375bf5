"""Settings of query, from the environment."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from telltale_shared.settings import BrokerSettings, VerifierSettings


class Settings(BrokerSettings, VerifierSettings):
    """Everything query can be told."""

    model_config = SettingsConfigDict(env_prefix="QUERY_")

    port: int = Field(8000, ge=1, le=65_535)
    jobs_port: int = Field(8007, ge=1, le=65_535)
    """Of the process that works on jobs."""
    database_url: str = Field(
        "mariadb+asyncmy://telltale_query@127.0.0.1:3306/telltale", pattern=r"^mariadb\+asyncmy://"
    )
    database_password: SecretStr = SecretStr("")
    database_connections: int = Field(10, ge=1, le=100)
    """Connections to the database at most; requests beyond that wait for one."""
    statement_timeout: float = Field(15, gt=0, le=300)
    """Seconds after which the database ends a statement."""
    export_max_rows: int = Field(10_000_000, ge=1, le=100_000_000)
    """Records at most in one exported file that is kept."""
    import_max_bytes: int = Field(1 << 30, ge=1_024, le=1 << 40)
    """Bytes of an imported file at most."""
    retention_days: int = Field(365, ge=1, le=3_650, validation_alias="WRITER_RETENTION_DAYS")
    """How long the writer keeps records: an import of older ones is refused."""
    job_file_hours: int = Field(24, ge=1, le=8_760)
    """Hours after which the file of a job that has ended is forgotten."""
    job_days: int = Field(30, ge=1, le=3_650)
    """Days after which a job that has ended is forgotten itself, and the errors of an import."""
