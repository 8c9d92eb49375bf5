import os
import stat
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "make_secrets.py"


def _make(folder: Path, **environment: str) -> dict[str, str]:
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, env=os.environ | environment)
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
    _make(tmp_path)
    made = _make(tmp_path, AMQP_PASSWORD="chosen by hand", QUERY_DATABASE_PASSWORD="")
    assert made["generator/AMQP_PASSWORD"] == made["rabbitmq/AMQP_PASSWORD"] == "chosen by hand"
    assert made["query/QUERY_DATABASE_PASSWORD"]
