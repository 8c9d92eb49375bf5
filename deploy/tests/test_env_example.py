"""`.env.example` names every setting of every service, with its true default, and nothing else."""

import importlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from telltale_shared.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
NOT_OF_A_SERVICE = {"MARIADB_BUFFER_POOL", "MARIADB_IMAGE", "MARIADB_ROOT_PASSWORD", "PYTHON_IMAGE", "RABBITMQ_IMAGE"}
OTHER_DEFAULT_HERE = {"DEMO_ACCOUNTS"}  # off in the code, on for whoever just wants to look


def _settings_classes() -> Iterator[type[ServiceSettings]]:
    for folder in sorted([*(ROOT / "services").iterdir(), ROOT / "ui"]):
        module = importlib.import_module(f"telltale_{folder.name}.settings")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ServiceSettings) and value.__module__ == module.__name__:
                yield value


def _variables(settings: type[ServiceSettings]) -> dict[str, str]:
    """Names of the variables, and of the fields that they set."""
    prefix = settings.model_config.get("env_prefix", "")
    return {
        (field.validation_alias if isinstance(field.validation_alias, str) else f"{prefix}{name}".upper()): name
        for name, field in settings.model_fields.items()
    }


def _documented() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", lines, re.MULTILINE))


CLASSES = list(_settings_classes())


def test_every_setting_is_documented_and_nothing_else() -> None:
    exist = {variable for settings in CLASSES for variable in _variables(settings)}
    assert set(_documented()) - NOT_OF_A_SERVICE == exist


@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: f"{settings.__module__}.{settings.__name__}")
def test_the_documented_values_are_the_defaults(
    settings: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = _variables(settings)
    documented = _documented()
    for variable in set(os.environ) & set(variables):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AUTH_SIGNING_SEED", secrets.token_hex(32))  # the one setting that has to be chosen
    for variable, name in variables.items():
        default = settings.model_fields[name].get_default(call_default_factory=True)
        if isinstance(default, SecretStr) or default is None:
            assert not documented[variable], f"{variable} has no default to show"
        elif variable not in OTHER_DEFAULT_HERE:
            monkeypatch.setenv(variable, documented[variable])
            assert getattr(settings(), name) == default, variable
            monkeypatch.delenv(variable)
