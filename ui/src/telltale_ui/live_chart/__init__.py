"""The live chart: a component that opens its own WebSocket and draws in the browser, without script reruns."""

from collections.abc import Sequence

import streamlit as st

from telltale_ui.settings import current_settings

_chart = st.components.v2.component("telltale-ui.live_chart", js="index-*.js", css="index-*.css")


def live_chart(*, sources: Sequence[str], categories: Sequence[str], minutes: int, time_zone: str, key: str) -> None:
    """Tiles, charts and anomalies of the chosen series over the last ``minutes``.

    Empty ``sources`` or ``categories`` mean all of them. Times are shown in ``time_zone`` (an IANA name).
    """
    settings = current_settings()
    _chart(
        key=key,
        data={
            "gatewayPort": settings.gateway_port,
            "gatewayUrl": settings.gateway_url,
            "sources": list(sources),
            "categories": list(categories),
            "minutes": minutes,
            "timeZone": time_zone,
        },
    )
