import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "make_secrets.py"


def _run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder)]
    return subprocess.run(command, check=False, env=os.environ | environment, capture_output=True, text=True)


def _make(folder: Path, **environment: str) -> dict[str, str]:
    made = _run(folder, **environment)
    assert made.returncode == 0, made.stderr
    return _read(folder)


def _read(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.glob("*/*")}


def test_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    first = _make(tmp_path)
    (tmp_path / "query" / "QUERY_DATABASE_PASSWORD").unlink()
    assert _make(tmp_path) == first


def test_every_owner_has_the_same_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    made = _make(tmp_path)
    assert made["writer/AMQP_PASSWORD"] == made["rabbitmq/AMQP_PASSWORD"]
    assert made["mariadb/QUERY_DATABASE_PASSWORD"] != made["mariadb/AUTH_DATABASE_PASSWORD"]
    assert len(bytes.fromhex(made["auth/AUTH_SIGNING_SEED"])) == 32
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*/*")}
    assert modes == {0o600}


def test_a_chosen_secret_wins(tmp_path: Path) -> None:
    _make(tmp_path, AMQP_PASSWORD="chosen by hand")
    made = _make(tmp_path, QUERY_DATABASE_PASSWORD="chosen later", AUTH_DATABASE_PASSWORD="")
    assert made["generator/AMQP_PASSWORD"] == made["rabbitmq/AMQP_PASSWORD"] == "chosen by hand"
    assert made["query/QUERY_DATABASE_PASSWORD"] == made["mariadb/QUERY_DATABASE_PASSWORD"] == "chosen later"
    assert made["auth/AUTH_DATABASE_PASSWORD"]


@pytest.mark.parametrize("name", ["AMQP_PASSWORD", "MARIADB_ROOT_PASSWORD"])
def test_what_a_server_took_for_good_is_not_changed_and_nothing_else_either(tmp_path: Path, name: str) -> None:
    before = _make(tmp_path, **{name: "the first one"})
    refused = _run(tmp_path, **{name: "another", "QUERY_DATABASE_PASSWORD": "another"})
    assert refused.returncode == 1
    assert name in refused.stderr
    assert _read(tmp_path) == before
    assert _make(tmp_path, **{name: "the first one"}) == before


def test_what_is_optional_is_there_while_it_is_chosen(tmp_path: Path) -> None:
    assert "auth/AUTH_OTHER_SIGNING_SEEDS" not in _make(tmp_path)
    made = _make(tmp_path, AUTH_OTHER_SIGNING_SEEDS="one,two")
    assert [path for path, value in made.items() if value == "one,two"] == ["auth/AUTH_OTHER_SIGNING_SEEDS"]
    assert "auth/AUTH_OTHER_SIGNING_SEEDS" not in _make(tmp_path)
