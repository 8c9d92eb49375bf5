import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from layout import Layout, StackError
from supervision import Program, Supervisor, write_configuration


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[Supervisor, Layout]]:
    layout = Layout(tmp_path / "run")
    layout.create()
    supervisor = Supervisor(layout, [sys.executable])
    yield supervisor, layout
    if supervisor.is_running():
        supervisor.stop(list(supervisor.processes()))
        supervisor.shutdown()


def _program(layout: Layout, name: str, code: str, **environment: str) -> Program:
    return Program(name, [sys.executable, "-c", code], layout.run, environment, start_seconds=0)


def _wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path} was not written"
    return path.read_text()


_WRITE = "import os, pathlib, time; pathlib.Path('said').write_text(os.environ['WORDS']); time.sleep(600)"


@pytest.mark.parametrize("words", ["100%", '["http://a", "http://b"]', "it's", "a,b=c"])
def test_settings_arrive_as_they_are(supervisor: tuple[Supervisor, Layout], words: str) -> None:
    running, layout = supervisor
    running.ensure([_program(layout, "one", _WRITE, WORDS=words)])
    running.start(["one"])
    assert _wait_for(layout.run / "said") == words


def test_a_changed_description_restarts_its_program_alone(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    kept = _program(layout, "kept", "import time; time.sleep(600)")
    running.ensure([kept, _program(layout, "changed", _WRITE, WORDS="old")])
    running.start(["kept", "changed"])
    assert _wait_for(layout.run / "said") == "old"
    before = running.processes()
    (layout.run / "said").unlink()
    running.ensure([kept, _program(layout, "changed", _WRITE, WORDS="new")])
    running.start(["kept", "changed"])
    assert _wait_for(layout.run / "said") == "new"
    after = running.processes()
    assert after["kept"]["pid"] == before["kept"]["pid"]
    assert after["changed"]["pid"] != before["changed"]["pid"]


def test_a_refusal_to_start_is_not_tried_again(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    running.ensure([_program(layout, "refuses", "import sys; print('bad setting'); sys.exit(3)")])
    running.start(["refuses"])
    deadline = time.monotonic() + 10
    while running.failed(["refuses"]) != ["refuses"]:
        assert time.monotonic() < deadline
    assert running.processes()["refuses"]["statename"] == "EXITED"
    assert running.tail("refuses") == "bad setting"


def test_what_supervisord_cannot_pass_on_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    with pytest.raises(StackError, match="cannot pass"):
        write_configuration(layout, [_program(layout, "one", "", WORDS='it\'s "both"')])


def test_a_deep_run_folder_still_has_sockets(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep" * 20) / "run")
    layout.create()
    assert len(str(layout.supervisor_socket)) < 108
    layout.sockets.rmdir()


def test_what_a_killed_supervisord_left_is_ended(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    running.ensure([_program(layout, "one", _WRITE, WORDS="here")])
    running.start(["one"])
    _wait_for(layout.run / "said")
    os.kill(running.pid(), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while running.is_running():
        assert time.monotonic() < deadline
    assert running.end_orphans() == 1
    assert running.end_orphans() == 0
