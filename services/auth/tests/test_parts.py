"""The parts that need no server: passwords, names, cursors, settings."""

import os
import sys
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telltale_auth.accounts.schemas import normal_email
from telltale_auth.passwords import Passwords
from telltale_auth.settings import AccountSettings, Settings
from telltale_auth.tokens import TokenSigner
from telltale_shared.errors import InvalidRequest
from telltale_shared.lists import cursor_after, key_of
from telltale_shared.settings import EXIT_BAD_SETTINGS, load_settings

from .conftest import SEED


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(cost=4, threads=2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("Password123!", "password123!"),
        ("x" * 200, "x" * 199),
        ("a" * 72 + "b", "a" * 72 + "c"),
        ("before\0after", "before\0other"),
        ("a b  c ", "a b  c"),
        ("pässwörd €", "pässwörd $"),
        ("é", "e\u0301"),
    ],
)
async def test_every_character_of_a_password_counts(passwords: Passwords, password: str, other: str) -> None:
    hashed = await passwords.hash(password)
    assert await passwords.matches(password, hashed)
    assert not await passwords.matches(other, hashed)
    assert not await passwords.matches(password, None)
    assert await passwords.hash(password) != hashed, "salted"
    assert len(hashed) == 60


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
async def test_hashing_gives_way_to_answering(passwords: Passwords) -> None:
    await passwords.hash("x")
    (thread, *_) = [one for one in threading.enumerate() if one.name.startswith("bcrypt")]
    assert thread.native_id is not None
    assert os.getpriority(os.PRIO_PROCESS, thread.native_id) > os.getpriority(os.PRIO_PROCESS, 0)


@given(st.text(max_size=30), st.text(max_size=30))
def test_normal_email_is_a_fixed_point(local: str, domain: str) -> None:
    try:
        email = normal_email(f"{local}@{domain}")
    except ValueError:
        return
    assert normal_email(email) == email
    assert normal_email(f" {email}\n") == email


@given(st.text())
def test_cursor_gives_its_key_back(key: str) -> None:
    assert key_of(cursor_after(key)) == key


@given(st.text())
def test_any_text_is_a_cursor_or_a_problem(text: str) -> None:
    with suppress(InvalidRequest):
        key_of(text)


def test_another_seed_is_another_key() -> None:
    assert TokenSigner(SEED).key_id == TokenSigner(SEED.upper()).key_id
    assert TokenSigner(SEED).key_id != TokenSigner(SEED[::-1]).key_id


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AUTH_SIGNING_SEED", "ENVIRONMENT", "DEMO_ACCOUNTS", "SECRETS_DIR", "AMQP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("seed", [None, "", SEED[:-1], SEED + "0", "x" * 64, "0" * 64, f" {SEED}"])
def test_no_start_without_a_signing_seed(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: str, seed: str | None
) -> None:
    clean.setenv("ENVIRONMENT", environment)
    clean.setenv("AMQP_PASSWORD", "long enough for production")
    if seed is not None:
        clean.setenv("AUTH_SIGNING_SEED", seed)
    with pytest.raises(SystemExit) as stopped:
        load_settings(Settings)
    assert stopped.value.code == EXIT_BAD_SETTINGS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bad setting: AUTH_SIGNING_SEED: ")
    assert not seed or seed not in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUTH_PORT", "0"),
        ("AUTH_PORT", "http"),
        ("AUTH_BCRYPT_COST", "3"),
        ("AUTH_HASH_THREADS", "0"),
        ("AUTH_DATABASE_URL", "mysql://somewhere/telltale_auth"),
        ("AUTH_DATABASE_URL", "mariadb+asyncmy://nowhere"),
        ("AMQP_URL", "http://x"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_bad_setting_is_named(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    clean.setenv("AUTH_SIGNING_SEED", SEED)
    clean.setenv(variable, value)
    with pytest.raises(SystemExit):
        load_settings(Settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bad setting: {variable}: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEMO_ACCOUNTS", "true"),
        ("AUTH_BCRYPT_COST", "11"),
        ("CORS_ORIGINS", '["*"]'),
        ("AUTH_DATABASE_PASSWORD", "short"),
        ("AMQP_PASSWORD", "short"),
        ("AMQP_URL", "amqp://guest@somewhere/telltale"),
    ],
)
def test_production_refuses_what_is_weak(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    clean.setenv("AUTH_SIGNING_SEED", SEED)
    clean.setenv("AMQP_PASSWORD", "long enough for production")
    clean.setenv("AUTH_DATABASE_PASSWORD", "long enough for production")
    clean.setenv("ENVIRONMENT", "production")
    load_settings(Settings)
    clean.setenv(variable, value)
    with pytest.raises(SystemExit):
        load_settings(Settings)
    assert variable in capsys.readouterr().err


def test_environment_reaches_settings_with_their_own_and_the_common_names(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("AUTH_SIGNING_SEED", SEED)
    clean.setenv("AUTH_PORT", "18001")
    clean.setenv("BIND_HOST", "::1")
    settings = load_settings(Settings)
    assert (settings.port, settings.bind_host, settings.bcrypt_cost) == (18001, "::1", 12)
    assert SEED not in repr(settings)


def test_command_line_needs_no_signing_seed(clean: pytest.MonkeyPatch) -> None:
    assert load_settings(AccountSettings).database_url.endswith("/telltale_auth")
    with pytest.raises(ValidationError):
        Settings()
