"""The live chart: a component that opens its own WebSocket and draws in the browser, without script reruns."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from telltale_ui.settings import current_settings

_chart = st.components.v2.component("telltale-ui.live_chart", js="index-*.js", css="index-*.css")


def live_chart(*, sources: Sequence[str], categories: Sequence[str], minutes: int, key: str) -> dict[str, Any] | None:
    """Tiles, charts and anomalies of the chosen series over the last ``minutes``.

    Empty ``sources`` or ``categories`` mean all of them. Returns the anomaly that was clicked just now, as
    ``source``, ``category``, ``observed_at`` (µs) and ``detector``.
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
        },
        on_anomaly_change=_nothing,
    )
    clicked: dict[str, Any] | None = result.anomaly
    return clicked


def _nothing() -> None:
    """Streamlit wants a callback for each trigger; the result is enough for us."""
