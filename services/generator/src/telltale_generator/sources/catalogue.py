"""Makes the source that has a name."""

import socket

from telltale_generator.settings import Settings, SourceName
from telltale_generator.sources.host import HostSource, Machine
from telltale_generator.sources.source import MICROSECONDS, Silence, Source
from telltale_generator.sources.synthetic import SyntheticSource


class Catalogue:
    """The sources that one generator can use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def source(self, name: SourceName) -> Source:
        """A fresh source."""
        settings = self._settings
        if name is SourceName.SYNTHETIC:
            return SyntheticSource(
                seed=settings.seed, rate=settings.rate, anomaly_every=settings.anomaly_minutes * 60 * MICROSECONDS
            )
        if name is SourceName.HOST:
            return HostSource(name=socket.gethostname(), rate=settings.rate, measure=Machine())
        return Silence()
