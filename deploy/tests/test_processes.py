"""The native description and docker-compose.yml tell of the same system."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.make_secrets import OPTIONAL, OWNERS
from layout import PORTS
from processes import COMMON, MIGRATIONS, SERVICES, Process

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {"mariadb", "rabbitmq"}
ONE_SHOTS = {"secrets", "accounts"}
SECRETS = {*OWNERS, *OPTIONAL}
FROM_COMPOSE_ITSELF = {"DEMO_ACCOUNTS", "SECRETS_DIR", "HOME", "GENERATOR_SOURCE", "GENERATOR_REPLAY_FILE", *SECRETS}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return described


def test_same_services(compose: dict[str, Any]) -> None:
    native = {process.name for process in (*SERVICES, *MIGRATIONS)}
    assert set(compose) == native | SERVERS | ONE_SHOTS


@pytest.mark.parametrize("process", [*SERVICES, *MIGRATIONS], ids=lambda process: process.name)
def test_same_settings(compose: dict[str, Any], process: Process) -> None:
    contained = compose[process.name]["environment"]
    own = {*process.environment, *process.defaults}
    assert own <= set(contained)
    assert set(contained) <= own | set(COMMON) | FROM_COMPOSE_ITSELF
    module = compose[process.name].get("command", ["python", "-m", process.module])[-1]
    assert module == process.module


@pytest.mark.parametrize("process", SERVICES, ids=lambda process: process.name)
def test_same_port(compose: dict[str, Any], process: Process) -> None:
    described = compose[process.name]
    (variable,) = (name for name, value in process.environment.items() if value == f"{{{process.name}}}")
    assert described["environment"][variable] == PORTS[process.name]
    assert f":{PORTS[process.name]}{process.ready}" in described["healthcheck"]["test"][-1]


def test_a_chosen_secret_is_in_the_environment_of_no_service(compose: dict[str, Any]) -> None:
    told = {name: one["environment"] for name, one in compose.items() if "env_file" in one and name != "secrets"}
    assert {process.name for process in (*SERVICES, *MIGRATIONS)} == set(told)
    for name, environment in told.items():
        assert {secret: environment[secret] for secret in SECRETS} == dict.fromkeys(SECRETS, ""), name


def test_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose.items() if "ports" in service}
    assert set(published) == {"ui", "query", "auth", "alerts", "gateway", "generator"}
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for ports in published.values() for port in ports)


def test_all_ports_are_below_the_ephemeral_range() -> None:
    largest_offset = 18_000
    assert max(PORTS.values()) + largest_offset < 32_768
    assert len(set(PORTS.values())) == len(PORTS)
