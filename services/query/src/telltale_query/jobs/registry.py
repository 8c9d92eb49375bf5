"""Which kind of job is done by what: the reaction table."""

from collections.abc import Mapping

from telltale_query.jobs.run import Kind
from telltale_query.settings import Settings


def kinds(settings: Settings) -> Mapping[str, Kind]:
    """What the jobs process can do, by the kind that a request names."""
    del settings
    return {}
