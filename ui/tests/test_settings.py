import pytest

from telltale_ui.server import server_options
from telltale_ui.settings import UiSettings, current_settings


def test_the_defaults_work_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UI_PORT", "AUTH_URL", "QUERY_URL", "GATEWAY_PORT", "BIND_HOST", "DEMO_ACCOUNTS"):
        monkeypatch.delenv(name, raising=False)
    settings = UiSettings()
    assert server_options(settings) == {"server.address": "127.0.0.1", "server.port": 8501}
    assert not settings.demo_accounts


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("UI_PORT", "many")
    current_settings.cache_clear()
    with pytest.raises(SystemExit) as caught:
        current_settings()
    assert caught.value.code == 3
    assert "UI_PORT" in capsys.readouterr().err
