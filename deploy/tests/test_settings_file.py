from pathlib import Path

import pytest
import settings_file
from layout import StackError


def _written(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text)
    return path


def test_reads_lines_as_compose_does(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "# a comment\n\nLOG_LEVEL=DEBUG # loud\nexport AUTH_PORT=9001\nCORS_ORIGINS='[\"http://a\"]'\nEMPTY=\n",
    )
    assert settings_file.user_settings(path) == {
        "LOG_LEVEL": "DEBUG",
        "AUTH_PORT": "9001",
        "CORS_ORIGINS": '["http://a"]',
    }


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("NOT_A_SETTING_OF_OURS", "x")
    chosen = settings_file.user_settings(_written(tmp_path, "LOG_LEVEL=DEBUG\n"))
    assert chosen == {"LOG_LEVEL": "WARNING"}


def test_a_file_is_named_from_the_project_on_or_from_the_root(tmp_path: Path) -> None:
    path = _written(tmp_path, "GENERATOR_REPLAY_FILE=sample_data/records_sample.csv\n")
    assert Path(settings_file.user_settings(path)["GENERATOR_REPLAY_FILE"]).is_file()
    path = _written(tmp_path, "GENERATOR_REPLAY_FILE=/tmp/readings.csv\n")
    assert settings_file.user_settings(path) == {"GENERATOR_REPLAY_FILE": "/tmp/readings.csv"}


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="line 2"):
        settings_file.user_settings(_written(tmp_path, "LOG_LEVEL=DEBUG\nlog level\n"))


def test_a_file_that_is_not_there_chooses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_file, "known_names", set)
    assert settings_file.user_settings(tmp_path / "none") == {}
