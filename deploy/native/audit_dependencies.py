"""Asks OSV, by pip-audit, whether a version in constraints.txt has a known vulnerability.

A known vulnerability fails. A service that cannot be reached does not, since CI must run without the network, but
what was not examined is said aloud.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import VENV
from layout import ROOT

ACCEPTED: dict[str, str] = {}
"""Vulnerabilities that do not concern us: id → why not, and until when that has to be looked at again."""

CONNECT_SECONDS = 10
PATIENCE_SECONDS = 300
"""For all packages together; pip-audit asks about one after the other."""
_NETWORK_TROUBLE = ("requests.exceptions.", "Could not connect")
"""What pip-audit, which exits alike for whatever went wrong, prints when the service does not answer as it should."""


def audit(constraints: Path, *options: str) -> int:
    """Examine a file of pinned and hashed requirements; 0 unless one of them is known to be vulnerable.

    Args:
        constraints: the file.
        options: further ones of pip-audit, such as another address of the service.

    Raises:
        RuntimeError: pip-audit failed for a reason other than the network.
    """
    ignored = [f"--ignore-vuln={one}" for one in ACCEPTED]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            str(VENV / "bin" / "pip-audit"), f"--requirement={constraints}", "--disable-pip", "--require-hashes",
            "--vulnerability-service=osv", f"--cache-dir={folder}/cache", f"--timeout={CONNECT_SECONDS}",
            "--progress-spinner=off", "--format=json", f"--output={report}", *ignored, *options,
        ]  # fmt: skip
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return _not_examined(f"it took longer than {PATIENCE_SECONDS} s")
        if report.exists():
            return _judge(json.loads(report.read_text()))
    if any(sign in result.stderr for sign in _NETWORK_TROUBLE):
        return _not_examined(result.stderr.strip().splitlines()[-1])
    raise RuntimeError(f"pip-audit failed:\n{result.stderr}")


def _judge(report: dict[str, list[dict[str, object]]]) -> int:
    found = [(package, one) for package in report["dependencies"] for one in _list(package.get("vulns"))]
    for package, one in found:
        fixed = ", ".join(map(str, _list(one["fix_versions"]))) or "no version yet"
        print(f"VULNERABLE: {package['name']} {package['version']}: {one['id']} (fixed in {fixed})")
        print(f"  {str(one['description'])[:300]}")
    print(f"{len(report['dependencies'])} dependencies examined, {len(found)} known vulnerabilities")
    return 1 if found else 0


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


def _not_examined(why: str) -> int:
    print(f"DEPENDENCIES NOT EXAMINED for known vulnerabilities; the advisory service was not reached: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(audit(ROOT / "constraints.txt"))
