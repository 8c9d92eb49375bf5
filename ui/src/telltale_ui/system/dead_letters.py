"""Dead letters: searched, looked at, tried again or set aside."""

from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables
from telltale_ui.paging import Pager
from telltale_ui.system.dead_letter_dialogs import DISCARD, REPLAY, letter_name, open_dialog, show_letter

COLUMNS = {
    "at": "At",
    "reason": "Reason",
    "detail": "Detail",
    "producer": "Producer",
    "number": "Number",
    "count": "Readings",
    "payload": "Payload",
    "state": "Became",
}
REASONS = [
    "conflict", "unit_conflict", "too_old", "in_the_future", "malformed", "not_a_number", "not_finite", "out_of_range",
    "bad_source", "bad_category", "bad_unit", "bad_index", "refused_by_database", "delivery_limit", "overlap",
    "unexpected", "bad_producer",
]  # fmt: skip
STATES = {"Open": "open", "Replayed": "replayed", "Discarded": "discarded", "All": None}


def _filters() -> dict[str, Any]:
    """What the widgets say, as the parameters of the list; what is empty is left out by the client."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "Show", list(STATES), default="Open", required=True, key="dead_state", bind="query-params"
        )
        reason = st.multiselect("Reason", REASONS, key="dead_reason", bind="query-params", placeholder="All", width=220)
        producer = st.text_input("Producer", key="dead_producer", bind="query-params", placeholder="All", width=180)
        source = st.text_input("Source", key="dead_source", bind="query-params", placeholder="All", width=150)
        search = st.text_input(
            "Search", key="dead_text", bind="query-params", icon=":material/search:", placeholder="Any text"
        )
    chosen = {"reason": reason, "producer": producer, "source": source, "q": search, "resolution": STATES[state]}
    return {name: value for name, value in chosen.items() if value}


def dead_letters() -> None:
    """The list with its filters, and what may be done about it."""
    is_changed = feedback.show_done()
    st.subheader("Dead letters")
    chosen = _filters()
    pager = Pager("dead_letters", repr(chosen), size=20)
    if is_changed:
        pager.forget_selection()
    page = pager.hold(lambda: pager.fetch(login.api().dead_letters, chosen))
    if not page.items:
        feedback.show_empty(
            "No dead letters",
            "Readings that cannot be stored would be listed here with the reason. Clear the filters to see all.",
            icon=":material/task_alt:",
        )
        return
    rows = [{**one, "state": one["resolution"] or "open"} for one in page.items]
    shown = st.dataframe(
        tables.frame(rows, COLUMNS, instants=["at"]),
        key=pager.table_key,
        hide_index=True,
        height=tables.height(len(rows)),
        column_config={"At": tables.instant_column(), "Number": st.column_config.NumberColumn(format="localized")},
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="",
        alt="Readings that were refused, with the reason",
    )
    pager.show(page, "dead letters")
    selected = [page.items[row] for row in shown["selection"]["rows"] if row < len(page.items)]
    _actions(selected, chosen)


def _actions(selected: list[dict[str, Any]], chosen: dict[str, Any]) -> None:
    still_open = [one for one in selected if one["resolution"] is None]
    matching = {name: value for name, value in chosen.items() if name != "resolution"}
    all_open = chosen.get("resolution") == "open"
    with st.container(horizontal=True):
        if st.button(
            "Look at it", icon=":material/visibility:", disabled=len(selected) != 1, key="dead_look",
            help="Choose one in the table.",
        ):  # fmt: skip
            show_letter(str(selected[0]["id"]))
        for kind, icon in ((REPLAY, "replay"), (DISCARD, "delete_sweep")):
            if st.button(
                f"{kind.verb} {len(still_open)} chosen" if still_open else f"{kind.verb} chosen",
                icon=f":material/{icon}:", disabled=not still_open, key=f"dead_{kind.path}",
            ):  # fmt: skip
                ids = [str(one["id"]) for one in still_open]
                open_dialog(kind, {"ids": ids}, len(ids), [letter_name(one) for one in still_open])
        for kind, icon in ((REPLAY, "replay"), (DISCARD, "delete_sweep")):
            if st.button(
                f"{kind.verb} all that match", icon=f":material/{icon}:", disabled=not all_open, type="tertiary",
                key=f"dead_{kind.path}_all",
            ):  # fmt: skip
                told = [f"{name}: {', '.join(v) if isinstance(v, list) else v}" for name, v in matching.items()]
                # Counted now: the page on screen may be from before.
                total = login.api().dead_letters({**chosen, "limit": 1}).total or 0
                open_dialog(kind, {"filter": matching, "expected_count": total}, total, told or ["all that are open"])
