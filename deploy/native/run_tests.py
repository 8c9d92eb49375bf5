"""Runs every test: each package by itself against a fresh pair of servers, then the whole system with its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from environment import packages
from layout import ROOT

_FOLDER = ROOT / ".run" / "test"
_STACK = [sys.executable, str(ROOT / "deploy" / "native" / "stack.py")]
_SERVERS = ["--run-dir", str(_FOLDER), "--port-offset", "auto"]


def _pytest(folder: Path) -> bool:
    name = folder.relative_to(ROOT)
    print(f"\n=== {name}", flush=True)
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "pytest", str(folder)],
        cwd=ROOT,
        env=os.environ | {"TELLTALE_TEST_SERVERS": str(_FOLDER)},
        check=False,
    )
    print(
        f"=== {name}: {'passed' if result.returncode == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return result.returncode == 0


def main() -> int:
    """0 when every test of every package and of the whole system passed."""
    subprocess.run([*_STACK, "servers-down", *_SERVERS], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(_FOLDER, ignore_errors=True)
    try:
        subprocess.run([*_STACK, "servers-up", *_SERVERS], check=True)
        folders = [folder / "tests" for folder in (*packages(), ROOT / "deploy")]
        failed = [folder for folder in folders if not _pytest(folder)]
    finally:
        subprocess.run([*_STACK, "servers-down", *_SERVERS], check=True)
    # Last, and alone on the machine: the whole system starts servers of its own.
    if not _pytest(ROOT / "tests"):
        failed.append(ROOT / "tests")
    for folder in failed:
        print(f"FAILED: {folder.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
