"""A known vulnerability fails the audit; an advisory service that is away does not, and is named."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from audit_dependencies import audit

PINNED = "".join(f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in ("sound", "leaky"))
ADVISORY = {
    "id": "PYSEC-1",
    "summary": "It leaks.",
    "aliases": ["CVE-1"],
    "affected": [
        {
            "package": {"name": "leaky", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class _Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does; knows one vulnerable package."""

    status = 200

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": [ADVISORY]} if asked["package"]["name"] == "leaky" else {}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Serve = Callable[[int], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts an advisory service which answers with a status; gives pip-audit's option for it."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int) -> str:
        handler: Any = type("Handler", (_Advisories,), {"status": status})
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"--osv-url=http://127.0.0.1:{servers[-1].server_port}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    file = tmp_path / "constraints.txt"
    file.write_text(PINNED)
    return file


def test_a_known_vulnerability_fails(constraints: Path, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(constraints, serve(200)) == 1
    said = capsys.readouterr().out
    assert "leaky 1.0: PYSEC-1 (fixed in 1.1)" in said
    assert "2 dependencies examined, 1 known" in said


def test_sound_versions_pass(constraints: Path, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    constraints.write_text(PINNED.split("leaky")[0])
    assert audit(constraints, serve(200)) == 0
    assert "1 dependencies examined, 0 known" in capsys.readouterr().out


def test_an_accepted_vulnerability_passes(constraints: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit_dependencies.ACCEPTED", {"CVE-1": "we never call it"})
    assert audit(constraints, serve(200)) == 0


def test_a_service_that_is_away_or_broken_is_named_and_fails_nothing(
    constraints: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (serve(503), serve(403), "--osv-url=http://127.0.0.1:1/v1/query"):
        assert audit(constraints, option) == 0
        assert "NOT EXAMINED" in capsys.readouterr().out


def test_a_file_that_cannot_be_examined_fails(constraints: Path, serve: Serve) -> None:
    constraints.write_text("leaky>=1.0\n")
    with pytest.raises(RuntimeError, match="pip-audit failed"):
        audit(constraints, serve(200))
