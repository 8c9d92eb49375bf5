"""The live chart: a component that opens its own WebSocket and draws in the browser, without script reruns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from telltale_ui.settings import current_settings

_chart = st.components.v2.component("telltale-ui.live_chart", js="index-*.js", css="index-*.css")


@dataclass(frozen=True)
class LiveEvents:
    """What happened on the live screen since the run before."""

    clicked: dict[str, Any] | None
    """An anomaly that was clicked: ``source``, ``category``, ``observed_at`` (µs) and ``detector``."""
    account_changed: bool
    """Whether the gateway said that role or account of this user has changed."""


def live_chart(
    *, sources: Sequence[str], categories: Sequence[str], minutes: int, verdicts: Mapping[str, str], key: str
) -> LiveEvents:
    """Tiles, charts and anomalies of the chosen series over the last ``minutes``.

    Empty ``sources`` or ``categories`` mean all of them; ``verdicts`` are those of :func:`telltale_ui.judge.verdicts`.
    """
    settings = current_settings()
    result = _chart(
        key=key,
        data={
            "gatewayPort": settings.gateway_port,
            "gatewayUrl": settings.gateway_url,
            "sources": list(sources),
            "categories": list(categories),
            "minutes": minutes,
            "verdicts": dict(verdicts),
        },
        on_anomaly_change=_nothing,
        on_account_change=_nothing,
    )
    return LiveEvents(clicked=result.anomaly, account_changed=bool(result.account))


def _nothing() -> None:
    """Streamlit wants a callback for each trigger; the result is enough for us."""
