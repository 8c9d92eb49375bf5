"""How soon a service says that it is alive, asked by a process of its own.

Whoever makes the load would be late itself, and take that for the service's.

Usage: python tests/benchmarks/liveness.py HOST PORT SECONDS
"""

import asyncio
import http.client
import json
import sys
import time

PERIOD = 0.02
"""Seconds between two questions."""


def ask(host: str, port: int, seconds: float) -> list[float]:
    """Ask ``/health/live`` again and again; seconds that each answer took."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    waits, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        connection.request("GET", "/health/live")
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"/health/live answered {response.status}")
        waits.append(time.monotonic() - begun)
        time.sleep(PERIOD)
    return waits


async def watch(host: str, port: int, seconds: float) -> list[float]:
    """Do the same in another process."""
    arguments = (sys.executable, __file__, host, str(port), str(seconds))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the process that asks /health/live has failed")
    waits: list[float] = json.loads(output)
    return waits


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
