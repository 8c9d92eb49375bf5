"""The live chart: a component that opens its own WebSocket and draws in the browser, without script reruns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui.settings import current_settings

_chart = st.components.v2.component("telltale-ui.live_chart", js="index-*.js", css="index-*.css")


Anomaly = dict[str, Any]
"""How the chart names an anomaly: ``source``, ``category``, ``observed_at`` (µs) and ``detector``."""


@dataclass(frozen=True)
class Chosen:
    """What the chart is to show."""

    sources: Sequence[str]
    """Empty means all; so it does for categories."""
    categories: Sequence[str]
    minutes: float
    """So much of the past, while it follows the present."""
    stretch: tuple[datetime, datetime] | None = None
    """A fixed range instead."""
    together: bool = False
    """Series of a category in one chart."""


@dataclass(frozen=True)
class LiveEvents:
    """What happened on the live screen since the run before."""

    clicked: Anomaly | None
    """An anomaly that was clicked."""
    account_changed: bool
    """Whether the gateway said that role or account of this user has changed."""


def live_chart(
    chosen: Chosen,
    *,
    role: str,
    may_judge: bool,
    verdicts: Mapping[str, str | None],
    settled: int,
    alerts: Sequence[Mapping[str, Any]] | None,
    alerts_at: datetime,
    point_at: Mapping[str, Any] | None,
    on_verdicts: Callable[[Sequence[Mapping[str, Any]]], None],
    on_stretch: Callable[[tuple[datetime, datetime] | None], None],
    on_arrange: Callable[[bool], None],
    key: str,
) -> LiveEvents:
    """Tiles, charts and anomalies, drawn in the browser.

    Args:
        chosen: what to show.
        role: of the account that the page is drawn for.
        may_judge: whether to offer verdicts on anomalies.
        verdicts: those of :func:`telltale_ui.judge.verdicts`.
        settled: up to which number verdicts have been dealt with.
        alerts: all that fire, as the service alerts lists them; ``None`` where it does not answer.
        alerts_at: when it was asked.
        point_at: a series to scroll to, as ``source``, ``category`` and a rising ``id``.
        on_verdicts: called before the run that follows a verdict, with all that are not settled: anomalies with a
            rising ``number`` and the ``verdict``, ``confirmed``, ``dismissed`` or ``None``.
        on_stretch: called before the run that follows somebody's zooming, with the ends; with None to follow the
            present again.
        on_arrange: called before the run that follows a change of arrangement, with whether series are together.
        key: of the component.
    """
    settings = current_settings()

    def verdicts_changed() -> None:
        on_verdicts(st.session_state[key].verdicts["given"])

    def stretch_changed() -> None:
        ends = st.session_state[key].stretch["ends"]
        on_stretch((_instant(ends[0]), _instant(ends[1])) if ends else None)

    def arrangement_changed() -> None:
        on_arrange(bool(st.session_state[key].arrangement["together"]))

    result = _chart(
        key=key,
        data={
            "gatewayPort": settings.gateway_port,
            "gatewayUrl": settings.gateway_url,
            "sources": list(chosen.sources),
            "categories": list(chosen.categories),
            "minutes": chosen.minutes,
            "stretch": [one.timestamp() for one in chosen.stretch] if chosen.stretch else None,
            "together": chosen.together,
            "role": role,
            "mayJudge": may_judge,
            "verdicts": dict(verdicts),
            "alerts": None if alerts is None else [_alert(one) for one in alerts],
            "alertsAt": alerts_at.timestamp(),
            "pointAt": dict(point_at) if point_at else None,
            "settled": settled,
        },
        on_anomaly_change=_nothing,
        on_verdicts_change=verdicts_changed,
        on_stretch_change=stretch_changed,
        on_arrangement_change=arrangement_changed,
        on_account_change=_nothing,
        on_missed_change=_nothing,
    )
    return LiveEvents(clicked=result.anomaly, account_changed=bool(result.account))


def _alert(listed: Mapping[str, Any]) -> dict[str, Any]:
    """As the live stream tells it, but with a number below all others: any change that comes later counts more."""
    told = {name: listed[name] for name in ("severity", "state", "source", "category", "explanation")}
    since = datetime.fromisoformat(listed["since"]).timestamp()
    return {**told, "alert": str(listed["id"]), "number": -1, "name": listed["rule_name"], "since": since}


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def _nothing() -> None:
    """Streamlit wants a callback for each trigger; the result is enough for us."""
