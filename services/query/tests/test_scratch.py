"""What exports leave in the folder for temporary files."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from telltale_query.exports.scratch import PREFIX, remove_abandoned, scratch_folder

HOLD = """
import time
from telltale_query.exports.scratch import scratch_folder
with scratch_folder() as folder:
    open(f"{folder}/sheet", "w").close()
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def make_old(folder: Path) -> None:
    then = time.time() - 3_600
    os.utime(folder, (then, then))


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().decode().strip())
    make_old(folder)
    assert remove_abandoned() == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (folder / "sheet").exists()
    assert remove_abandoned() == [folder.name]
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_in_use_or_is_no_folder_of_ours_stays(tmp_path: Path) -> None:
    with scratch_folder() as folder:
        make_old(Path(folder))
        young = tmp_path / f"{PREFIX}young"
        young.mkdir()
        other, elsewhere = tmp_path / "other", tmp_path / f"{PREFIX}link"
        other.mkdir()
        elsewhere.symlink_to(other)
        (tmp_path / f"{PREFIX}file").write_text("kept")
        before = set(tmp_path.iterdir())
        assert remove_abandoned() == []
        assert set(tmp_path.iterdir()) == before
    assert not Path(folder).exists()
