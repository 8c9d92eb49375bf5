"""Every process of a stack, on one page. docker-compose.yml describes the same system for containers.

`{name}` in a value is the port of that process in this stack, `{data}` the folder that the process may keep things in.
What is named here is fixed; every other setting comes from `.env` or the environment (see .env.example).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Settings of all services that the user may change.
DEFAULTS = {
    "ENVIRONMENT": "development",
    "DEMO_ACCOUNTS": "true",
    "LOG_LEVEL": "INFO",
    "CORS_ORIGINS": '["http://127.0.0.1:{ui}", "http://localhost:{ui}"]',
}

#: Settings of all services that follow from the stack itself.
COMMON = {
    "BIND_HOST": "127.0.0.1",
    "AMQP_URL": "amqp://telltale@127.0.0.1:{rabbitmq}/telltale",
    "AUTH_URL": "http://127.0.0.1:{auth}",
    "QUERY_URL": "http://127.0.0.1:{query}",
    "GENERATOR_URL": "http://127.0.0.1:{generator}",
    "WRITER_URL": "http://127.0.0.1:{writer}",
    "DETECTOR_URL": "http://127.0.0.1:{detector}",
    "ALERTS_URL": "http://127.0.0.1:{alerts}",
}


@dataclass(frozen=True)
class Process:
    """One service, or one step that runs to its end before the services start."""

    name: str
    module: str  # run as `python -m module`
    folder: str  # its package, below the repository, and its working directory
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)  # of its own that the user may change
    secrets: str = ""  # whose secrets it sees; its own name if not said
    ready: str = "/health/ready"


MIGRATIONS = (
    Process(
        "writer-migrate",
        "telltale_writer.migrate",
        "services/writer",
        {"WRITER_MIGRATION_DATABASE_URL": "mariadb+asyncmy://telltale_migrator@127.0.0.1:{mariadb}/telltale"},
    ),
    Process(
        "auth-migrate",
        "telltale_auth.migrate",
        "services/auth",
        {"AUTH_MIGRATION_DATABASE_URL": "mariadb+asyncmy://telltale_auth_migrator@127.0.0.1:{mariadb}/telltale_auth"},
    ),
    Process(
        "alerts-migrate",
        "telltale_alerts.migrate",
        "services/alerts",
        {
            "ALERTS_MIGRATION_DATABASE_URL": "mariadb+asyncmy://telltale_alerts_migrator@127.0.0.1:{mariadb}"
            "/telltale_alerts"
        },
    ),
)

SERVICES = (
    Process(
        "auth",
        "telltale_auth",
        "services/auth",
        {
            "AUTH_PORT": "{auth}",
            "AUTH_DATABASE_URL": "mariadb+asyncmy://telltale_auth@127.0.0.1:{mariadb}/telltale_auth",
        },
        # The UI's server, which says from where somebody signs in.
        defaults={"AUTH_TRUSTED_PROXIES": '["127.0.0.1"]'},
    ),
    Process(
        "writer",
        "telltale_writer",
        "services/writer",
        {
            "WRITER_PORT": "{writer}",
            "WRITER_DATABASE_URL": "mariadb+asyncmy://telltale_writer@127.0.0.1:{mariadb}/telltale",
        },
    ),
    Process(
        "query",
        "telltale_query",
        "services/query",
        {
            "QUERY_PORT": "{query}",
            "QUERY_DATABASE_URL": "mariadb+asyncmy://telltale_query@127.0.0.1:{mariadb}/telltale",
        },
    ),
    # Imports, exports and whatever else takes long: beside query, so that no request waits for it.
    Process(
        "jobs",
        "telltale_query.jobs",
        "services/query",
        {
            "QUERY_JOBS_PORT": "{jobs}",
            "QUERY_DATABASE_URL": "mariadb+asyncmy://telltale_query@127.0.0.1:{mariadb}/telltale",
        },
        secrets="query",
    ),
    Process("gateway", "telltale_gateway", "services/gateway", {"GATEWAY_PORT": "{gateway}"}),
    Process(
        "detector",
        "telltale_detector",
        "services/detector",
        {"DETECTOR_PORT": "{detector}", "DETECTOR_CHECKPOINT_DIR": "{data}"},
    ),
    Process(
        "alerts",
        "telltale_alerts",
        "services/alerts",
        {
            "ALERTS_PORT": "{alerts}",
            "ALERTS_DATABASE_URL": "mariadb+asyncmy://telltale_alerts@127.0.0.1:{mariadb}/telltale_alerts",
        },
    ),
    Process(
        "generator",
        "telltale_generator",
        "services/generator",
        {"GENERATOR_PORT": "{generator}", "GENERATOR_SPOOL_DIR": "{data}"},
    ),
    # This machine's own readings: something real on the live page from the first minute.
    Process(
        "generator-host",
        "telltale_generator",
        "services/generator",
        {
            "GENERATOR_PORT": "{generator-host}",
            "GENERATOR_SPOOL_DIR": "{data}",
            "GENERATOR_NAME": "generator-host",
            "GENERATOR_SOURCE": "host",
        },
        secrets="generator",
    ),
    Process("ui", "telltale_ui", "ui", {"UI_PORT": "{ui}", "GATEWAY_PORT": "{gateway}"}, ready="/_stcore/health"),
)
