"""How sensitive series are watched, as people have set it and as their verdicts have taught."""

import msgspec


class SeriesLimits(msgspec.Struct, array_like=True, frozen=True):
    """The score from which each kind of anomaly of one series is marked."""

    source: str
    category: str
    limits: dict[str, float]
    """By kind; kinds left out are marked as by default."""


class Sensitivities(msgspec.Struct, tag_field="schema", tag="sensitivities/1", frozen=True, kw_only=True):
    """All series that are not watched as by default: a series left out is. Told on every change and again and again."""

    at: int
    """When this was so, µs since 1970-01-01 UTC; an older message than one already taken in says nothing new."""
    series: list[SeriesLimits]
