"""Is all well? One line, then instances, queues, database, ledger and dead letters."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from telltale_ui import feedback, login, tables, times
from telltale_ui.paging import Pager

SILENT_SECONDS = 20
LEDGER_COLUMNS = {
    "producer": "Producer",
    "service": "Service",
    "published": "Published",
    "confirmed": "Confirmed",
    "stored": "Stored",
    "dead": "Dead letters",
    "missing": "Missing",
    "repeated": "Repeated",
    "dropped": "Dropped",
    "last_seen_at": "Last seen",
}
COUNTS = ("Published", "Confirmed", "Stored", "Dead letters", "Missing", "Repeated", "Dropped")
DEAD_COLUMNS = {
    "at": "At",
    "reason": "Reason",
    "detail": "Detail",
    "producer": "Producer",
    "number": "Number",
    "payload": "Payload",
}


def instance_row(instance: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One running copy of a service, ready to be read."""
    seen = times.parse(instance["seen_at"])
    silent = (now - seen).total_seconds() > SILENT_SECONDS
    troubles = [f"{name}: {state}" for name, state in (instance.get("dependencies") or {}).items() if state != "ok"]
    health = "silent" if silent else instance["health"]
    return {
        "Service": instance["service"],
        "Instance": instance["instance"],
        "Health": f"{health} ({', '.join(troubles)})" if troubles else health,
        "Seen": f"{times.age(seen, now)} ago",
        "Up for": times.age(times.parse(instance["started_at"]), now),
        "Memory": tables.bytes_text(instance.get("memory_bytes")),
        "Version": instance["version"],
        "Figures": ", ".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in figures(instance)),
    }


def figures(instance: dict[str, Any]) -> list[tuple[str, float]]:
    """The numbers an instance reports about its work."""
    return list((instance.get("figures") or {}).items())


def verdict(totals: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """All is well, or what is not, in one line."""
    ledger = (
        f"{totals.get('published', 0):,} published, {totals.get('stored', 0):,} stored, "
        f"{totals.get('missing', 0):,} missing, {totals.get('repeated', 0):,} repeated, "
        f"{totals.get('dead', 0):,} dead letters"
    )
    troubled = [f"{row['Instance']} is {row['Health']}" for row in rows if row["Health"] != "ok"]
    if totals.get("missing"):
        troubled.insert(0, f"{totals['missing']:,} readings are missing")
    if troubled:
        st.warning(
            f"{ledger}.  \n" + "; ".join(troubled) + ".", title="Something needs a look", icon=":material/warning:"
        )
    else:
        st.success(f"{ledger}.", title="All is well", icon=":material/check_circle:")


@st.fragment(run_every="5s")
def overview() -> None:
    """What changes by itself, drawn anew every five seconds."""
    with feedback.plain_errors():
        api = login.api()
        status, ledger = api.status(), api.ledger()
        now = datetime.now(UTC)
        instances = sorted(status.get("instances", []), key=lambda one: (one["service"], one["instance"]))
        rows = [instance_row(one, now) for one in instances]
        verdict(ledger["totals"], rows)

        st.subheader("Instances")
        if rows:
            st.dataframe(rows, key="instances", hide_index=True, alt="Running instances")
        else:
            feedback.show_empty("No service has reported yet", "Each one does so every five seconds once it runs.")

        left, right = st.columns(2)
        with left:
            st.subheader("Queues")
            st.dataframe(
                tables.frame(
                    status.get("queues", []), {"name": "Queue", "messages": "Waiting", "consumers": "Consumers"}
                ),
                key="queues",
                hide_index=True,
                placeholder="",
                alt="Queues of the broker",
            )
        with right:
            st.subheader("Database")
            database = status.get("database") or {}
            with st.container(horizontal=True):
                st.metric("Size", tables.bytes_text(database.get("size_bytes")), border=True)
                st.metric("Answers in", tables.milliseconds_text(database.get("latency_ms")), border=True)
            st.caption(f"Migration {database.get('migration') or 'unknown'}")

        st.subheader("Ledger")
        st.caption(
            "Per producer: every number it gave to a reading is stored, a repeat, a dead letter, or still on its way."
        )
        st.dataframe(
            tables.frame(ledger["producers"], LEDGER_COLUMNS, instants=["last_seen_at"]),
            key="ledger",
            hide_index=True,
            column_config={
                "Last seen": tables.instant_column(),
                **{name: st.column_config.NumberColumn(format="localized") for name in COUNTS},
            },
            placeholder="",
            alt="The ledger",
        )


st.title("System")
overview()

st.subheader("Dead letters")
pager = Pager("dead_letters", "", size=20)
page = login.api().dead_letters({"limit": pager.size, "cursor": pager.cursor})
if page.items:
    st.dataframe(
        tables.frame(page.items, DEAD_COLUMNS, instants=["at"]),
        hide_index=True,
        column_config={"At": tables.instant_column()},
        placeholder="",
        alt="Readings that were refused, with the reason",
    )
    pager.show(page, "dead letters")
else:
    feedback.show_empty(
        "No dead letters",
        "Readings that cannot be stored would be listed here with the reason.",
        icon=":material/task_alt:",
    )
