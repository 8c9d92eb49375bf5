"""The one range of time that all pages share: a preset or two instants, in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import streamlit as st

from telltale_ui import times

SPANS = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "1 y": timedelta(days=365),
}
ALL, CUSTOM = "All", "Custom"
DEFAULT_SPAN = "1 h"
_SHORTEST = timedelta(milliseconds=1)
_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeRange:
    """A half-open range; both ends are ``None`` where it holds everything."""

    span: str
    start: datetime | None
    end: datetime | None

    def params(self) -> dict[str, str | None]:
        """As the query parameters of every list."""
        return {
            "from": times.rfc3339(self.start) if self.start else None,
            "to": times.rfc3339(self.end) if self.end else None,
        }


def parse(text: str, zone: tzinfo) -> datetime | None:
    """What a person typed as an instant; in ``zone`` unless it names its own. ``None`` where it is none."""
    try:
        instant = datetime.fromisoformat(text.strip().replace(" +", "+"))
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    return instant if _EARLIEST <= instant <= _LATEST else None


def text_of(instant: datetime, zone: tzinfo) -> str:
    """An instant as it stands in the fields and in the address: wall-clock time of ``zone`` with its offset."""
    return instant.astimezone(zone).isoformat(sep=" ", timespec="auto")


def choose(start: datetime, end: datetime) -> None:
    """Show exactly this range from the next run on. Only for callbacks, which run before the widgets."""
    zone = times.viewer_zone()
    start, end = max(start, _EARLIEST), min(end, _LATEST)
    if end - start < _SHORTEST:
        end = start + _SHORTEST
    st.session_state["span"] = CUSTOM
    st.session_state["from"], st.session_state["to"] = text_of(start, zone), text_of(end, zone)


def follow(span: str) -> None:
    """Show a preset again from the next run on. Only for callbacks."""
    st.session_state["span"] = span
    st.session_state["from"] = st.session_state["to"] = ""


def shifted(start: datetime, end: datetime, share: float) -> tuple[datetime, datetime]:
    """The range ``share`` of its own width later."""
    by = (end - start) * share
    return start + by, end + by


def widened(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Twice the range around the same middle, but not beyond ``now`` unless it reached there already."""
    by = (end - start) / 2
    return start - by, max(end, min(end + by, now))


def _normalise(field: str) -> None:
    zone = times.viewer_zone()
    instant = parse(st.session_state[field], zone)
    if instant is not None:
        st.session_state[field] = text_of(instant, zone)
    if st.session_state[field]:
        st.session_state["span"] = CUSTOM


def _choose_days() -> None:
    zone = times.viewer_zone()
    days = st.session_state["days"]
    if len(days) == 2:
        first, last = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in days)
        choose(first, last + timedelta(days=1))


def _choose_span() -> None:
    """A preset empties the fields; a range of one's own begins as the last hour."""
    if st.session_state["span"] == CUSTOM:
        now = datetime.now(UTC).replace(microsecond=0)
        choose(now - SPANS[DEFAULT_SPAN], now)
    else:
        st.session_state["from"] = st.session_state["to"] = ""


def _fields() -> tuple[str, str]:
    """The ends as texts, and a calendar. Always there, so that the address can hold what they say."""
    zone = times.viewer_zone()
    hint = f"Date and time in {zone.key}, as 2026-11-24 07:30, or with an offset of its own."
    with st.popover("From – to", icon=":material/date_range:", key="range_fields"):
        start, end = (
            st.text_input(label, key=field, bind="query-params", help=hint, on_change=_normalise, args=(field,))
            for label, field in (("From", "from"), ("To", "to"))
        )
        st.date_input("Whole days", [], key="days", on_change=_choose_days, format="YYYY-MM-DD")
    return start or "", end or ""


def _custom(texts: tuple[str, str], now: datetime) -> TimeRange:
    start, end = (parse(text, times.viewer_zone()) for text in texts)
    if start is None or end is None or start >= end:
        st.warning(
            "From and To must be instants like 2026-11-24 07:30, the first before the second. "
            f"The last {DEFAULT_SPAN} is shown.",
            icon=":material/schedule:",
        )
        return TimeRange(CUSTOM, now - SPANS[DEFAULT_SPAN], now)
    return TimeRange(CUSTOM, start, end)


def _moves(start: datetime, end: datetime, now: datetime) -> None:
    """Earlier, later, wider."""
    for label, icon, target, possible in (
        ("Earlier", "arrow_back", shifted(start, end, -1), True),
        ("Later", "arrow_forward", shifted(start, end, 1), end < now),
        ("Zoom out", "zoom_out", widened(start, end, now), True),
    ):
        st.button(
            label,
            icon=f":material/{icon}:",
            type="tertiary",
            key=f"range_{label.split()[0].lower()}",
            on_click=choose,
            args=target,
            disabled=not possible,
        )


def range_picker(
    spans: Mapping[str, timedelta] = SPANS, *, default: str = DEFAULT_SPAN, has_all: bool = True, is_live: bool = False
) -> TimeRange:
    """The presets, the fields of a range of one's own, and the way through time.

    Args:
        spans: the presets by name.
        default: the one that is chosen at first.
        has_all: whether everything there is can be chosen, too.
        is_live: whether a preset follows the present, so that its ends are not worth naming.
    """
    now = datetime.now(UTC)
    if "span" not in st.session_state and st.query_params.get("from") and st.query_params.get("to"):
        st.session_state["span"] = CUSTOM  # a link may name the two ends alone
    choices = [*spans, *([ALL] if has_all else []), CUSTOM]
    if st.session_state.get("span", default) not in choices:
        st.session_state["span"] = default  # chosen on a page with other presets
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with row:
        span = st.segmented_control(
            "Range",
            choices,
            default=default,
            required=True,
            key="span",
            bind="query-params",
            on_change=_choose_span,
            wrap=True,
            label_visibility="collapsed",
        )
        texts = _fields()
    if span == CUSTOM:
        shown = _custom(texts, now)
    elif span == ALL:
        shown = TimeRange(ALL, None, None)
    else:
        shown = TimeRange(span, now - spans[span], now)
    if shown.start and shown.end and not (is_live and span != CUSTOM):
        with row:
            st.caption(f"{times.span_text(shown.start, shown.end)} · {times.viewer_zone().key}")
            _moves(shown.start, shown.end, now)
    return shown
