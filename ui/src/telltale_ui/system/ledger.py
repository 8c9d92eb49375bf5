"""The ledger: every producer's figures over a range of days; of one of them the days, and what exactly is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.markdown import literal
from telltale_ui.paging import Pager, counted

COLUMNS = {
    "producer": "Producer",
    "service": "Service",
    "published": "Published",
    "stored": "Stored",
    "missing": "Missing",
    "repeated": "Repeated",
    "dead": "Dead letters",
    "in_flight": "On their way",
    "confirmed": "Confirmed",
    "dropped": "Dropped",
    "last_seen_at": "Last seen",
}
DAY_COLUMNS = {"day": "Day (UTC)", **{field: name for field, name in COLUMNS.items() if name in (
    "Published", "Stored", "Missing", "Repeated", "Dead letters", "On their way", "Confirmed", "Dropped"
)}}  # fmt: skip
MISSING_COLUMNS = {"producer": "Producer", "first": "From number", "last": "To number", "count": "Numbers"}
ALL = "All time"
_CHOSEN = "ledger_producer"
SPANS = {"Today": 0, "7 days": 6, "30 days": 29}
"""Days before today that a range begins."""


def _integers(*names: str) -> dict[str, Any]:
    return {name: st.column_config.NumberColumn(format="localized") for name in names}


def producer_name(producer: str) -> str:
    """As it is shown: those that ended long ago are one line without a name."""
    return producer or "Earlier ones, together"


def range_of(span: str, now: datetime) -> dict[str, str]:
    """The parameters that ask for the days of ``span``, none for all time."""
    if span not in SPANS:
        return {}
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"from": times.rfc3339(today - timedelta(days=SPANS[span]))}


@st.fragment(run_every="5s")
def ledger() -> None:
    """The ledger, drawn anew every five seconds."""
    with feedback.plain_errors(key="retry_ledger"):
        st.subheader("Ledger")
        st.caption(
            "Per producer: every number it gave to a reading is stored, a repeat, a dead letter, missing, or still on"
            " its way. Choose a producer to see its days."
        )
        span = st.segmented_control(
            "Days", [ALL, *SPANS], default=ALL, required=True, key="ledger_span", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        asked = range_of(span, datetime.now(UTC))
        found = login.api().ledger(asked)
        totals = found["totals"]
        st.markdown(
            f"**{totals['published']:,} published, {totals['missing']:,} missing, {totals['repeated']:,} repeated**"
        )
        if not found["producers"]:
            feedback.show_empty("Nobody published in these days", "Choose a longer range.")
            return
        producer = _choose(found["producers"])
        _days(producer, asked)
        if totals["missing"] > 0:
            _missing(producer)


def _choose(producers: list[dict[str, Any]]) -> str | None:
    """The table of producers, and the one that is chosen in it: it stays so when others come and go."""
    names = [one["producer"] for one in producers]
    chosen: str | None = st.session_state.get(_CHOSEN)
    rows = [{**one, "producer": producer_name(one["producer"])} for one in producers]
    with st.container(key="ledger"):
        shown = st.dataframe(
            tables.frame(rows, COLUMNS, instants=["last_seen_at"]),
            key=f"ledger_of_{hash(tuple(names))}",
            hide_index=True,
            height=tables.height(len(rows)),
            column_config={"Last seen": tables.instant_column(), **_integers(*list(COLUMNS.values())[2:10])},
            on_select="rerun",
            selection_mode="single-row",
            selection_default={"selection": {"rows": [names.index(chosen)] if chosen in names else []}},
            placeholder="",
            alt="The ledger by producer",
        )
    selected = shown["selection"]["rows"]
    chosen = st.session_state[_CHOSEN] = names[selected[0]] if selected else None
    return chosen


def _days(producer: str | None, asked: dict[str, str]) -> None:
    whose = "all producers together" if producer is None else producer_name(producer)
    with st.expander(f"By day: {literal(whose)}", expanded=producer is not None, icon=":material/calendar_month:"):
        days = login.api().ledger_days({**asked, "producer": producer})
        rows = [{**day, "day": day["day"] or "earlier"} for day in days]
        st.dataframe(
            tables.frame(rows, DAY_COLUMNS),
            key="ledger_days",
            hide_index=True,
            height=tables.height(len(rows)),
            column_config=_integers(*list(DAY_COLUMNS.values())[1:]),
            placeholder="",
            alt=f"The ledger by UTC day: {whose}",
        )
        st.caption(
            "By how much each figure changed on a day. What was published on one day and stored on the next is on its"
            " way in the first, and back from there in the second."
        )


def _missing(producer: str | None) -> None:
    pager = Pager("missing", repr(producer), size=20)
    page = pager.fetch(login.api().missing_numbers, {"producer": producer})
    if not page.items:
        return
    st.markdown(f"##### :material/warning: {counted(page.total or len(page.items), 'runs')} of missing numbers")
    st.dataframe(
        tables.frame(page.items, MISSING_COLUMNS),
        key="missing_numbers",
        hide_index=True,
        column_config=_integers("From number", "To number", "Numbers"),
        placeholder="",
        alt="Numbers that must have been stored and were not",
    )
    pager.show(page, "runs", timed=False)
