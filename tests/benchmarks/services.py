"""Query, jobs and writer as processes of their own over a database and a virtual host that a benchmark may fill."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from telltale_shared.security import AUDIENCE, ISSUER
from telltale_shared.testing import Access

READY_SECONDS = 60
_KEY = Ed25519PrivateKey.generate()


def token(kind: str = "access") -> str:
    """An administrator's token, good for a day."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "1", "jti": "bench", "typ": kind, "role": "ADMIN", "ver": 1,
        "name": "Bench", "iat": now, "exp": now + 86_400,
    }  # fmt: skip
    return jwt.encode(claims, _KEY, "EdDSA", headers={"kid": "bench"})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Keys(BaseHTTPRequestHandler):
    """Answers as auth does when it is asked for its public keys."""

    def do_GET(self) -> None:
        key = OKPAlgorithm.to_jwk(_KEY.public_key(), as_dict=True)
        body = json.dumps({"keys": [{**key, "kid": "bench", "alg": "EdDSA", "use": "sig"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Service:
    """One running process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def peak_mib(self) -> float:
        """The most memory that it has had in RAM so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_seconds(self) -> float:
        """The processor time that it has had so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def complaints(self) -> list[str]:
        """What it has logged as a warning or worse."""
        return [line for line in self.log.read_text().splitlines() if '"level": "info"' not in line and line.strip()]

    def wait_until_ready(self) -> None:
        """Return once it can do its work."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/ready", timeout=3).status_code == 200:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"not ready: {self.log.read_text()[-2_000:]}")


class Services:
    """Starts processes; use as a context manager, which stops them.

    Args:
        database: migrated, with an account that may do everything; None when no service needs one.
        broker: a virtual host.
        logs: a folder for what they print.
    """

    def __init__(self, database: Access | None, broker: Access, logs: Path) -> None:
        self._logs = logs
        self._running: list[Service] = []
        self._keys = ThreadingHTTPServer(("127.0.0.1", 0), _Keys)
        self._environment = {
            **os.environ,
            "AMQP_URL": broker.url,
            "AMQP_PASSWORD": broker.password,
            "AUTH_URL": f"http://127.0.0.1:{self._keys.server_port}",
        }
        if database is not None:
            for name in ("QUERY", "WRITER"):
                self._environment[f"{name}_DATABASE_URL"] = database.url
                self._environment[f"{name}_DATABASE_PASSWORD"] = database.password

    def __enter__(self) -> "Services":
        threading.Thread(target=self._keys.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._running:
            service.process.terminate()
        for service in self._running:
            service.process.wait(timeout=30)
        self._keys.shutdown()

    def start(self, module: str, port_setting: str) -> Service:
        """Run ``python -m module`` until it is stopped; waits until it is ready."""
        port = _free_port()
        log = self._logs / f"{module}-{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env={**self._environment, port_setting: str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        service = Service(process, port, log)
        self._running.append(service)
        service.wait_until_ready()
        return service

    def stop(self, service: Service) -> None:
        """Stop one process."""
        self._running.remove(service)
        service.process.terminate()
        service.process.wait(timeout=30)

    @contextmanager
    def client(self, query: Service) -> Iterator[httpx.Client]:
        """A client of the query service."""
        headers = {"Authorization": f"Bearer {token()}"}
        with httpx.Client(base_url=f"{query.url}/api/v1", headers=headers, timeout=120) as client:
            yield client
