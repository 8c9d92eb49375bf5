"""The services as they were before the newest migration of the main database, from this repository's own history."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.prove.system import ROOT

from telltale_shared.store.schema import SCHEMA_VERSION

_MIGRATION = f"services/writer/src/telltale_writer/migrations/versions/{SCHEMA_VERSION}.py"
_STACK = """
import sys, stack
stack._install = lambda group: None  # it is done
stack.SERVICES = [process for process in stack.SERVICES if process.name != "ui"]  # needs a build
sys.exit(stack.main())
"""


class VersionBefore:
    """That version's files, and an interpreter that finds its code beside the packages that are installed here."""

    def __init__(self, folder: Path) -> None:
        """Check it out into ``folder``, which must not exist."""
        folder.mkdir(parents=True)
        self.folder = folder
        archive = _git("archive", _commit_before())
        subprocess.run(("tar", "-x", "-C", str(folder)), input=archive, check=True)
        venv = folder / ".venv"
        subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(venv)), check=True)
        installed = Path(sysconfig.get_path("purelib"))
        packages = [str(path) for path in sorted(folder.glob("*/src")) + sorted(folder.glob("services/*/src"))]
        # The code of this version is not among them: it is found by .pth files, which are read in one folder only.
        paths = "\n".join((*packages, str(installed)))
        (venv / installed.relative_to(sys.prefix) / "version_before.pth").write_text(paths)

    def stack(self, command: str, run: Path) -> None:
        """Run a command of its own ``stack.py`` for the stack in the folder ``run``."""
        native = self.folder / "deploy" / "native"
        options = ("--run-dir", str(run), "--port-offset", "auto", "--env-file", "/dev/null")
        result = subprocess.run(
            (str(self.folder / ".venv" / "bin" / "python"), "-c", _STACK, command, *options),
            cwd=native,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"the version before: {command} failed:\n{result.stdout}{result.stderr}")


def code_of(pid: int) -> set[Path]:
    """The folders of the code that the service ``pid`` runs, its own and the shared one."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    module = command[command.index("-m") + 1]
    asked = f"import telltale_shared, {module}; print(telltale_shared.__file__, {module}.__file__)"
    environment = dict(
        line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0") if line
    )
    answer = subprocess.run(
        (command[0], "-c", asked), cwd=f"/proc/{pid}/cwd", env=environment, capture_output=True, text=True, check=True
    )
    return {Path(file).parents[1] for file in answer.stdout.split()}


def _commit_before() -> str:
    """The commit before the one that added the newest migration; HEAD while that is not committed yet."""
    added = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", _MIGRATION).decode().strip()
    if not added:
        return "HEAD"
    try:
        return _git("rev-parse", "--verify", f"{added}^").decode().strip()
    except RuntimeError as error:
        raise RuntimeError(
            f"git knows nothing before {added[:10]}, which added {_MIGRATION}: an upgrade is tested from the version"
            " before that. If this clone is shallow, fetch the rest: git fetch --unshallow"
        ) from error


def _git(*arguments: str) -> bytes:
    result = subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, check=False)
    if result.returncode:
        raise RuntimeError(f"git {' '.join(arguments)} failed: {result.stderr.decode()}")
    return result.stdout
