import subprocess
import sys
import tempfile
from pathlib import Path

import offsets
import ports
import pytest
from layout import ROOT, Layout

CLAIM = "import sys, layout, pathlib; print(layout.Layout.at(pathlib.Path(sys.argv[1]), 'auto').offset)"


@pytest.fixture(autouse=True)
def _own_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_stacks_that_choose_at_the_same_time_choose_other_ports(tmp_path: Path) -> None:
    stacks = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path / f"stack-{n}")],
            cwd=ROOT / "deploy/native",
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(6)
    ]
    chosen = [int(stack.communicate(timeout=60)[0]) for stack in stacks]
    assert len(set(chosen)) == len(chosen)
    assert chosen == [Layout.at(tmp_path / f"stack-{n}", "auto").offset for n in range(6)]


def test_a_claim_holds_as_long_as_its_folder_remembers_it(tmp_path: Path) -> None:
    first = Layout.at(tmp_path / "first", "auto").offset
    second = Layout.at(tmp_path / "second", "auto").offset
    assert first < second
    (tmp_path / "first" / offsets.OFFSET_FILE).unlink()
    assert Layout.at(tmp_path / "third", "auto").offset == first


def test_no_offset_is_found_where_all_ports_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    assert offsets.claim(tmp_path / "run", [8000]) is None
    assert offsets.remembered(tmp_path / "run") is None
