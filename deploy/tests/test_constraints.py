"""constraints.txt pins all that our packages ask for, with hashes and without any registry's address."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _asked_for() -> Iterator[str]:
    for file in (ROOT / "pyproject.toml", *ROOT.glob("s*/**/pyproject.toml"), *ROOT.glob("ui/pyproject.toml")):
        described: dict[str, Any] = tomllib.loads(file.read_text())
        project = described.get("project", {})
        groups = [*described.get("dependency-groups", {}).values(), *project.get("optional-dependencies", {}).values()]
        for requirement in [*project.get("dependencies", []), *(entry for group in groups for entry in group)]:
            if isinstance(requirement, str):
                yield _normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0])


def test_everything_is_pinned() -> None:
    pinned = {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", CONSTRAINTS, re.MULTILINE)}
    missing = {name for name in _asked_for() if not name.startswith("telltale-")} - pinned
    assert not missing, "run make constraints"


def test_every_pin_has_hashes_and_none_an_address() -> None:
    pins = re.split(r"\n(?=\S)", CONSTRAINTS.strip())
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in CONSTRAINTS
