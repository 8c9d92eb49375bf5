"""A handful of schedules of `make prove`: the prover itself works, and the promise is kept in the hardest moments."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT
from tests.prove.regressions import REGRESSIONS


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    command = (sys.executable, "-m", "tests.prove", "--regressions", "--rate", "500")
    result = subprocess.run(
        (*command, "--run-dir", str(ROOT / ".run" / "prove-test")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(REGRESSIONS)} schedules" in result.stdout
