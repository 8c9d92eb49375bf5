"""A handful of schedules of `make prove`: the prover itself works, and the promise is kept where it once was not."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT

SEEDS = {
    1: "the writer is killed",
    9: "the database is killed, and so is the jobs process",
    21: "the server's OK to a COMMIT is lost",
    29: "poison of every kind",
}


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    command = (sys.executable, "-m", "tests.prove", "--rate", "500", "--seeds", *map(str, SEEDS))
    result = subprocess.run(
        (*command, "--run-dir", str(ROOT / ".run" / "prove-test")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(SEEDS)} schedules" in result.stdout
