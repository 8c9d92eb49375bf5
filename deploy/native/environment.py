"""What a stack needs before it can start: system packages, and a virtual environment with our own packages in it."""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from layout import ROOT, StackError

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
_CONSTRAINTS = ROOT / "constraints.txt"
_FRONTEND = ROOT / "ui" / "src" / "telltale_ui" / "live_chart" / "frontend"
_SHARED_EXTRAS = "[broker,store,web,testing]"
_POLICY = Path("/usr/sbin/policy-rc.d")


def _run(command: Sequence[str], what: str) -> None:
    """Run `command` quietly; raise StackError with what it printed when it fails."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StackError(f"{what} failed ({' '.join(command)}):\n{result.stdout[-4000:]}")


# --- system packages -------------------------------------------------------------------------------------------------


def missing_python_packages() -> list[str]:
    """What Debian keeps out of its python3 and the virtual environment needs."""
    return [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]


def missing_test_packages() -> list[str]:
    """What tests need: a browser with a library of the program that drives it, and the tool that makes backups."""
    wanted = {
        "chromium": shutil.which("chromium"),
        "libatomic1": ctypes.util.find_library("atomic"),
        "mariadb-client": shutil.which("mariadb-dump"),
    }
    return [package for package, found in wanted.items() if not found]


def _administrator() -> list[str] | None:
    """What to put before a command that needs root; None when this user may not."""
    if os.getuid() == 0:
        return []
    allowed = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if allowed and allowed.returncode == 0 else None


def check_may_install(packages: Sequence[str]) -> None:
    """Raise StackError naming `packages` when this user, or this system, cannot install them."""
    if packages and (_administrator() is None or not shutil.which("apt-get")):
        raise StackError(
            f"these are missing and cannot be installed from here: {' '.join(packages)}\n"
            f"Install them (Debian, Ubuntu: sudo apt-get install {' '.join(packages)}) and run this again."
        )


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages without letting any of their services start."""
    if not packages:
        return
    check_may_install(packages)
    become_root = _administrator() or []
    apt = [
        *become_root,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-q",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]
    keeps_services_down = not _POLICY.exists()
    if keeps_services_down:
        script = 'printf \'#!/bin/sh\\nexit 101\\n\' >"$1" && chmod 755 "$1"'
        _run([*become_root, "sh", "-c", script, "sh", str(_POLICY)], "keeping services from starting")
    try:
        _run([*apt, "update"], "reading the package lists")
        _run([*apt, "install", "-y", "--no-install-recommends", *packages], "installing system packages")
    finally:
        if keeps_services_down:
            _run([*become_root, "rm", "-f", str(_POLICY)], "letting services start again")
    if "rabbitmq-server" in packages and shutil.which("systemctl"):
        # Installed for us alone: it must not start at the next boot either. Fails where systemd is not in charge.
        subprocess.run([*become_root, "systemctl", "disable", "rabbitmq-server"], capture_output=True, check=False)


# --- virtual environment ---------------------------------------------------------------------------------------------


def packages() -> list[Path]:
    """Our own packages, in the order in which they build on each other."""
    candidates = [ROOT / "shared", *sorted((ROOT / "services").glob("*")), ROOT / "ui"]
    return [folder for folder in candidates if (folder / "pyproject.toml").exists()]


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for file in sorted(files):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _chart_sources() -> list[Path]:
    return [path for pattern in ("*", "src/**/*") for path in _FRONTEND.glob(pattern) if path.is_file()]


def _sources() -> list[Path]:
    """What an installation depends on; installing the UI builds the live chart, so its sources are among them."""
    return [
        ROOT / "pyproject.toml",
        _CONSTRAINTS,
        *(folder / "pyproject.toml" for folder in packages()),
        *_chart_sources(),
    ]


def code_digest(folder: str) -> str:
    """A digest of the code that the package in `folder` runs: its own and the shared one."""
    sources = [ROOT / "shared" / "src", ROOT / folder / "src"]
    code = [path for source in sources for path in source.rglob("*.py")]
    return _digest([*code, *_chart_sources()] if folder == "ui" else code)


def _install_uv() -> None:
    """Install the pinned uv with pip, which takes hashes only from a requirements file."""
    pinned = re.search(r"^uv==.*(?:\\\n.*)*", _CONSTRAINTS.read_text(), re.MULTILINE)
    if pinned is None:
        raise StackError(f"{_CONSTRAINTS} does not pin uv; run make constraints")
    requirement = VENV / "uv-requirement.txt"
    requirement.write_text(pinned[0] + "\n")
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*command, "--requirement", str(requirement)], "installing uv")


def _is_usable(python: Path) -> bool:
    """Whether `python` is there, whole, and of the version that runs this.

    An upgrade of the system's Python leaves neither, an installation that was cut short no pip.
    """
    if not python.exists():
        return False
    asked = [str(python), "-c", "import pip, sys; print(sys.version)"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == sys.version


def install_python_packages(group: str) -> bool:
    """Make `.venv` hold our packages and the dependency group `group` (`native` or `dev`); False if it did already."""
    sources = _sources()
    digest = _digest(sources, sys.version, str(ROOT))
    stamp = VENV / f"telltale-{group}.stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return False
    if not _is_usable(PYTHON):
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "making the virtual environment")
    if not (VENV / "bin" / "uv").exists():
        _install_uv()
    command = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON)]
    command += ["--constraint", str(_CONSTRAINTS), "--build-constraint", str(_CONSTRAINTS), "--group", group]
    for folder in packages():
        extras = _SHARED_EXTRAS if folder.name == "shared" else "[testing]" if group == "dev" else ""
        command += ["--editable", f"{folder}{extras}"]
    _run(command, "installing the Python packages")
    stamp.write_text(digest)
    return True
