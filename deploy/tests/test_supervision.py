import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
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


_REFUSE = "import pathlib, sys, time; time.sleep(600) if pathlib.Path('good').exists() else sys.exit('bad setting')"
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


def test_what_an_interrupted_call_left_undone_is_done_by_the_next(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    running.ensure([_program(layout, "one", _WRITE, WORDS="old")])
    changed = _program(layout, "one", _WRITE, WORDS="new")
    write_configuration(layout, [changed])  # and no further
    running.ensure([changed])
    running.start(["one"])
    assert _wait_for(layout.run / "said") == "new"


def test_a_setting_of_one_call_does_not_stay_with_those_of_the_next(
    supervisor: tuple[Supervisor, Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, layout = supervisor
    monkeypatch.setenv("GENERATOR_RATE", "10")
    say = _WRITE.replace("os.environ['WORDS']", "repr(os.environ.get('GENERATOR_RATE'))")
    running.ensure([_program(layout, "one", say)])
    running.start(["one"])
    assert _wait_for(layout.run / "said") == "None"


def _refuse(running: Supervisor, layout: Layout) -> None:
    running.ensure([replace(_program(layout, "refuses", _REFUSE), start_seconds=2)])
    running.start(["refuses"])


def test_a_refusal_to_start_is_known_with_its_last_words(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    _refuse(running, layout)
    deadline = time.monotonic() + 10
    while running.failed(["refuses"]) != ["refuses"]:
        assert time.monotonic() < deadline
    assert "bad setting" in running.tail("refuses")
    running.stop(["refuses"])
    assert running.processes()["refuses"]["statename"] not in ("STARTING", "RUNNING", "BACKOFF")


def test_what_cannot_start_is_tried_until_it_can(supervisor: tuple[Supervisor, Layout]) -> None:
    running, layout = supervisor
    _refuse(running, layout)
    deadline = time.monotonic() + 60
    while running.tail("refuses").count("bad setting") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (layout.run / "good").touch()
    while running.processes()["refuses"]["statename"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.1)


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
