"""Makes the source that has a name."""

import asyncio
import socket
from pathlib import Path

from telltale_generator.settings import Settings, SourceName
from telltale_generator.sources.host import HostSource, Machine
from telltale_generator.sources.replay import Recording, ReplaySource
from telltale_generator.sources.rows import BadRows
from telltale_generator.sources.source import MICROSECONDS, Silence, Source
from telltale_generator.sources.synthetic import SyntheticSource


class SourceUnusable(Exception):
    """The source cannot be made; the text says why and what to do."""


async def make_source(name: SourceName, settings: Settings) -> Source:
    """A fresh source.

    Raises:
        SourceUnusable: there is no file to replay, or it cannot be read.
    """
    if name is SourceName.SYNTHETIC:
        every = settings.anomaly_minutes * 60 * MICROSECONDS
        return SyntheticSource(seed=settings.seed, rate=settings.rate, anomaly_every=every)
    if name is SourceName.HOST:
        return HostSource(name=socket.gethostname(), rate=settings.rate, measure=Machine())
    if name is SourceName.REPLAY:
        return ReplaySource(await _recording(settings.replay_file), settings.replay_speed)
    return Silence()


async def _recording(file: Path | None) -> Recording:
    if file is None:
        raise SourceUnusable("there is no file to replay: set GENERATOR_REPLAY_FILE")
    try:
        return await asyncio.to_thread(Recording.read, file)
    except (BadRows, OSError) as error:
        raise SourceUnusable(f"GENERATOR_REPLAY_FILE={file} cannot be replayed: {error}") from error
