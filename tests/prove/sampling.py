"""What the processes of a stack hold, and how soon they answer."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sqlalchemy import text
from tests.prove.system import System


@dataclass(frozen=True)
class Sample:
    """One process at one moment; a process's children count as part of it."""

    second: float
    """Since the beginning."""
    process: str
    memory: int
    """Bytes that it has allocated; pages of files, which other stacks share, do not count."""
    descriptors: int
    latency: float
    """Seconds until it answered whether it is well."""

    def figure(self, name: str) -> float:
        """A figure by its name in a table."""
        return {"memory": float(self.memory), "descriptors": float(self.descriptors), "latency": self.latency}[name]


class Sampler:
    """Samples every process of a running stack. Use as an async context manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._sampled = (*system.services, "mariadb", "rabbitmq")
        self._main: dict[str, int] = {}
        self.engine = system.engine()
        self.complaints: set[str] = set()
        """Whatever makes the samples worthless: a process that was away, was started again, or did not work."""

    async def __aenter__(self) -> "Sampler":
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.engine.dispose()

    async def sample(self, second: float) -> list[Sample]:
        """A sample of each process."""
        held = await asyncio.to_thread(self._held)
        return [
            Sample(second, name, allocated, descriptors, await self._latency(name))
            for name, (allocated, descriptors) in held.items()
        ]

    def _held(self) -> dict[str, tuple[int, int]]:
        held = self._system.footprints()
        for name in self._sampled:
            if name not in held:
                self.complaints.add(f"{name} did not run")
            elif self._main.setdefault(name, held[name][1][0]) != held[name][1][0]:
                self.complaints.add(f"{name} was started again")
        return {name: (held[name][0], _descriptors(held[name][1])) for name in self._sampled if name in held}

    async def _latency(self, name: str) -> float:
        begun = time.perf_counter()
        if name == "mariadb":
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        elif name == "rabbitmq":
            if not await self._system.broker_answers():
                self.complaints.add("rabbitmq did not answer")
        else:
            self.complaints.update(await self._system.ready([name]))
        return time.perf_counter() - begun


def _descriptors(pids: list[int]) -> int:
    count = 0
    for pid in pids:
        try:
            count += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            continue  # it ended meanwhile
    return count
