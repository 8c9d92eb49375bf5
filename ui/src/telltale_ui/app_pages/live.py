"""What is measured right now: tiles, charts and anomalies, drawn in the browser from its own WebSocket."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, ranges
from telltale_ui.api_client import ApiError
from telltale_ui.filters import series_filters
from telltale_ui.inject import inject_dialog, point_at
from telltale_ui.judge import judge, judge_dialog, settled, verdicts
from telltale_ui.live_chart import Chosen, live_chart
from telltale_ui.sensitivity import sensitivity_dialog

SPANS = {
    "1 min": timedelta(minutes=1),
    "5 min": timedelta(minutes=5),
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
}
DEFAULT_SPAN = "5 min"
_VIEW, _OVERLAY = "view", "overlay"
_FOLLOWED = "live_span"
_FIRING = ["firing", "acknowledged", "silenced"]
_ALERTS_AT_MOST = 1_000


def _choose_stretch(ends: tuple[datetime, datetime] | None) -> None:
    if ends is None:
        ranges.follow(st.session_state.get(_FOLLOWED, DEFAULT_SPAN))
    else:
        ranges.choose(*ends)


def _arrange(together: bool) -> None:
    if together:
        st.query_params[_VIEW] = _OVERLAY
    else:
        st.query_params.pop(_VIEW, None)


feedback.show_done()
may_change = login.user().may("USER")
try:
    series, judged = login.api().series(), verdicts()
except ApiError as error:
    # The charts need no stored series: they go on while the filters lack their choices.
    series, judged = [], {}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/warning: The choice of series is not available. {feedback.describe(error)}")
        feedback.retry_by_itself()
alerts: list[dict[str, Any]] | None
alerts_at = datetime.now(UTC)
try:
    alerts = login.api().alerts({"state": _FIRING, "limit": _ALERTS_AT_MOST}).items
except ApiError:
    alerts = None  # the live stream tells of those that change from now on
with st.container(horizontal=True, vertical_alignment="bottom"):
    sources, categories = series_filters(series)
    if may_change and st.button(
        "Inject an anomaly",
        icon=":material/bolt:",
        key="inject",
        help="Have the generator send unusual readings, to see them caught.",
    ):
        inject_dialog()
    if st.button(
        "Sensitivity",
        icon=":material/tune:",
        key="sensitivity",
        help="How unusual a reading must be to be marked; tried on stored readings before it is saved.",
    ):
        sensitivity_dialog(series)
shown = ranges.range_picker(SPANS, default=DEFAULT_SPAN, has_all=False, is_live=True)
if shown.span != ranges.CUSTOM:
    st.session_state[_FOLLOWED] = shown.span

events = live_chart(
    Chosen(
        sources,
        categories,
        minutes=SPANS.get(shown.span, SPANS[DEFAULT_SPAN]).total_seconds() / 60,
        stretch=(shown.start, shown.end) if shown.span == ranges.CUSTOM and shown.start and shown.end else None,
        together=st.query_params.get(_VIEW) == _OVERLAY,
    ),
    role=login.user().role,
    may_judge=may_change,
    verdicts=judged,
    settled=settled(),
    alerts=alerts,
    alerts_at=alerts_at,
    point_at=point_at(),
    on_verdicts=judge,
    on_stretch=_choose_stretch,
    on_arrange=_arrange,
    key="live_chart",
)
if events.account_changed:
    login.forget_token()
    st.rerun()
if events.clicked:
    judge_dialog(events.clicked)
