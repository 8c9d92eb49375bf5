"""Proves that each service can be installed and imported with nothing but the dependencies that it names."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environment import VENV, packages
from layout import ROOT

_UV = str(VENV / "bin" / "uv")
_SHARED = str(ROOT / "shared")
_PINNED = [f"--{kind}={ROOT / 'constraints.txt'}" for kind in ("constraint", "build-constraint")]


def _problem(package: Path, environment: Path) -> str:
    """Install `package` alone into `environment` and import its application; what went wrong, or an empty string."""
    python = str(environment / "bin" / "python")
    module = f"telltale_{package.name}"
    entry = "server" if package.name == "ui" else "app"
    steps = (
        [_UV, "venv", "--quiet", "--python", sys.executable, str(environment)],
        [_UV, "pip", "install", "--quiet", "--python", python, *_PINNED, "--no-sources", _SHARED, str(package)],
        [python, "-c", f"import {module}.{entry}"],
    )
    for step in steps:
        result = subprocess.run(step, cwd=ROOT, capture_output=True, text=True, check=False)
        if result.returncode:
            return f"{' '.join(step)}\n{result.stdout}{result.stderr}"
    return ""


def main() -> int:
    """0 when every package stands alone."""
    failures = 0
    for package in packages():
        if package.name == "shared":
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            problem = _problem(package, Path(folder) / "venv")
        failures += bool(problem)
        verdict = "does NOT stand alone" if problem else "stands alone"
        print(f"{package.name:<12} {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
        if problem:
            print(problem)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
